"""Captions by any server that speaks OpenAI's chat protocol."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from rediff.llm_client.client import Caller
from rediff.llm_client.cache import body_of
from rediff.llm_client.server import ServerSpec
from rediff.llm_client.conversation import Reply, Request, cut_off, picture
from rediff.data.images import data_url
from rediff.captioners.base import (
    Caption,
    Decoding,
    Failure,
    Said,
    Traits,
    chat_messages,
    requests,
)

MAX_TOKENS = 512


class OpenAICaptioner:
    """Greedy captions over HTTP, `spec.concurrency` requests at a time, `spec.max_tokens` long.

    What passes is tried again, and a request that the server takes in another form is asked in
    that form, as `Caller` does; what still fails is a failure of that sample alone. Raises
    ValueError if a key is wanted and none is set.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.length = spec.max_tokens or MAX_TOKENS
        self.caller = Caller(spec)

    @property
    def traits(self) -> Traits:
        return Traits(kind="server", length=self.length, sampler="api")

    def caption(
        self,
        images: Sequence[Image.Image],
        decoding: Decoding,
        *,
        said: Sequence[Said] | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[Caption | Failure]:
        """A caption or a failure for each image, sent as a PNG."""
        return self.caption_urls([data_url(image) for image in images], said=said)

    def caption_urls(
        self, urls: Sequence[str], *, said: Sequence[Said] | None = None
    ) -> list[Caption | Failure]:
        """The same for pictures that are data URLs already."""
        with ThreadPoolExecutor(self.spec.concurrency) as pool:
            return list(pool.map(self._ask, urls, requests(said, len(urls))))

    def _ask(self, url: str, said: Said) -> Caption | Failure:
        started = time.perf_counter()
        request = Request(
            messages=chat_messages(said, picture(url)), prompt="caption", max_tokens=self.length,
            temperature=0.0,
        )  # fmt: skip
        reply = self.caller.call(body_of(self.spec, request))
        if reason := _why_none(reply):
            return Failure(reason)
        assert reply.text is not None
        return Caption(
            text=reply.text.strip(),
            tokens=reply.tokens_out,
            nfe=reply.tokens_out,
            seconds=time.perf_counter() - started,
            truncated=reply.finish == "length",
            reasoning=reply.reasoning,
        )

    def close(self) -> None:
        """Closes the connections."""
        self.caller.client.close()


def _why_none(reply: Reply) -> str | None:
    """Why a reply is no caption; None where it is one."""
    if reply.error is not None:
        return reply.error
    if reply.refused:
        return "the model refused to answer"
    if (reply.text or "").strip():
        return None
    if reply.finish == "length":
        return f"the reply {cut_off(reply)}: allow more by `max_tokens`"
    return "the server's reply has no text" + (", only reasoning" if reply.reasoning else "")
