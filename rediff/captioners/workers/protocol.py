"""The worker's side of the protocol. Needs the standard library alone, so that it runs anywhere.

Examples:
    >>> serve(Hello(name="mine", kind="diffusion"), describe)  # doctest: +SKIP
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1

Reply = dict[str, Any]
"""`caption`, and where they are known `tokens`, `nfe`, `truncated`; or `error`."""


@dataclass(frozen=True)
class Hello:
    """A worker's first line. `steps`: its own budget of denoising steps; None: it has none."""

    name: str
    kind: str
    sampler: str = "own"
    length: int | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Request:
    """One picture to describe. `image`: path of a PNG file. `steps`: None for the worker's own.

    `before`: the turns before `prompt`, questions and answers alternately.
    """

    id: str
    image: str
    prompt: str
    steps: int | None
    before: Sequence[str] = ()


Caption = Callable[[Request], Reply]


def serve(
    hello: Hello,
    caption: Caption | None = None,
    *,
    load: Callable[[], Caption] | None = None,
    takes_dialogues: bool = False,
) -> None:
    """Answers requests until standard input ends; an exception in `caption` fails its sample.

    So does a request with something said before it, unless `takes_dialogues`.

    All other output goes to standard error, so that a chatty library does no harm. Libraries
    print while they are imported and models while they load: let `load` do both, and give what
    captions then.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)
    if caption is None:
        if load is None:
            raise TypeError("serve() needs what captions, or what loads it")
        caption = load()
    _write(replies, {"worker": VERSION, **asdict(hello)})
    for line in sys.stdin:
        request = Request(**json.loads(line))
        try:
            if request.before and not takes_dialogues:
                raise ValueError("this worker answers only single questions")
            reply = caption(request)
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        _write(replies, {"id": request.id, **reply})


def _write(replies: Any, record: dict[str, Any]) -> None:
    replies.write(json.dumps(record) + "\n")
    replies.flush()
