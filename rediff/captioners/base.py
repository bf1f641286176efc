"""Captioners: all that an evaluation knows of a model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from PIL import Image

if TYPE_CHECKING:
    from rediff.decoding.registry import AnySampler
    from rediff.decoding.trace import Trace


CAPTION_PROMPT = "Please describe the image in detail."
Said = tuple[str, ...]
"""Questions and answers in turn, a question first and last."""


def requests(
    said: Sequence[Said] | None, count: int, prompt: str = CAPTION_PROMPT
) -> Sequence[Said]:
    """What is said about each of `count` images: `said`, or else `prompt`."""
    if said is None:
        return [(prompt,)] * count
    assert len(said) == count
    return said


def turns_of(said: Said) -> Iterator[tuple[str, str]]:
    """The texts with the chat's role of each."""
    assert len(said) % 2
    return zip(itertools.cycle(("user", "assistant")), said, strict=False)


def chat_messages(said: Said, picture: Mapping[str, Any]) -> list[Any]:
    """The turns in OpenAI's chat form, `picture` before the first question."""
    turns: list[Any] = [
        {"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns_of(said)
    ]
    turns[0]["content"].insert(0, picture)
    return turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What there is to choose of a captioner, and what it does unless told otherwise.

    `kind`: how it writes, e.g. "diffusion". `length`: tokens it writes at most, None if unknown.
    `sampler`: the sampler it decodes with. `takes_samplers`: whether any of our samplers will do.
    `takes_steps`: whether it decodes within a budget of denoising steps; `steps` is its own.
    """

    kind: str
    length: int | None
    sampler: str
    takes_samplers: bool = False
    takes_steps: bool = False
    steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How to decode; a captioner ignores what its traits do not offer.

    `sampler` and `steps`: None for the captioner's own. `trace`: record every denoising step.
    `given`: an answer written first, for the model to go on from or to revise. `guidance`: scale
    of classifier-free guidance, 0 for none (see `PrefixedDenoiser`). Raises ValueError for a scale
    that is not finite.
    """

    sampler: AnySampler | None = None
    steps: int | None = None
    trace: bool = False
    given: str | None = None
    guidance: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.guidance):
            raise ValueError(f"guidance must be a finite number, got {self.guidance}")


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption. `tokens`: written tokens, the stop left out. `nfe`: forward passes.

    Both are None where they are not known. `seconds`: wall time of the batch divided by its rows.
    `truncated`: no stop was written. `reasoning`: what the model thought aloud, which `text` has
    not.
    """

    text: str
    tokens: int | None
    nfe: int | None
    seconds: float
    truncated: bool
    trace: Trace | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """No caption, and one clause that says why."""

    error: str


@runtime_checkable
class SendsPictures(Protocol):
    """A captioner that sends pictures on, so that they need not be opened and written again."""

    def caption_urls(
        self, urls: Sequence[str], *, said: Sequence[Said] | None = None
    ) -> list[Caption | Failure]:
        """A caption or a failure for each picture, given as a data URL."""
        ...


class Captioner(Protocol):
    """Describes pictures, and answers questions about them."""

    @property
    def traits(self) -> Traits: ...

    def caption(
        self,
        images: Sequence[Image.Image],
        decoding: Decoding,
        *,
        said: Sequence[Said] | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[Caption | Failure]:
        """A caption or a failure for each image, in order.

        `said`: what was said about each, up to the answer that is asked for; None for the
        captioner's own request of a description. `ids` names the images to captioners that look
        captions up or report to others.
        """
        ...

    def close(self) -> None:
        """Gives back what the captioner holds: memory, connections, processes."""
        ...
