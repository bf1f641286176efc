"""One question to a server before anything is spent."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from rediff.data.images import data_url
from rediff.llm_client.cache import body_of
from rediff.llm_client.conversation import Request, picture, text, user
from rediff.llm_client.dialect import Dialect
from rediff.llm_client.server import ServerSpec

TOKENS, TRIES = 256, 3
RATE_LIMIT = 429
UNFINISHED = "could not finish the message"
"""The message of OpenAI's reasoning models whose tokens end while they think."""


def probe(spec: ServerSpec, who: str, *, with_picture: bool) -> Dialect:
    """Asks a server for one word, so that a mistake is known before anything is spent.

    A rate limit is not a mistake, nor is a model that thought longer than it was let.

    Args:
        spec: the server.
        who: is asked, for messages, as "the judge".
        with_picture: show a picture, where pictures will be shown.

    Returns:
        The parameters that the server does not take, as far as that is known.

    Raises:
        ValueError: as `open_client` does, and if the server cannot be reached, knows no such
            model or
            key, or takes no such request.
    """
    from rediff.llm_client.client import Caller

    shown = (picture(data_url(Image.new("RGB", (64, 64), "red"))),) if with_picture else ()
    request = Request(
        messages=[user(*shown, text("Answer with one word: ready"))],
        prompt="probe",
        max_tokens=TOKENS,
        temperature=0.0,
    )
    caller = Caller(replace(spec, retries=min(spec.retries, TRIES)))
    reply = caller.call(body_of(spec, request))
    caller.client.close()
    if reply.error is None or UNFINISHED in reply.error.lower():
        return caller.dialect
    if reply.status == RATE_LIMIT and not reply.fatal:
        return caller.dialect
    raise ValueError(f"{who} {spec.model} cannot be asked: {reply.error}")
