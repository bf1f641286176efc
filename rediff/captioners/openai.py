"""Captions by any server that speaks OpenAI's chat protocol."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from rediff.captioners.base import (
    Capabilities,
    Caption,
    Captioner,
    CaptionRequest,
    Decoding,
    Failure,
)
from rediff.captioners.sources import Loading, register_captioner
from rediff.data.dialogue import chat_messages
from rediff.data.images import data_url
from rediff.llm_client.cache import body_of
from rediff.llm_client.conversation import Reply, Request, cut_off, picture
from rediff.llm_client.server import ServerSpec

MAX_TOKENS = 512


def server_of(where: str, loading: Loading) -> ServerSpec:
    """How the server of the model `where` is reached."""
    return ServerSpec(
        model=where,
        base_url=loading.base_url,
        key_env=loading.key_env,
        max_tokens=loading.max_tokens,
    )


def identify(where: str, loading: Loading) -> Mapping[str, str]:
    """The server's name for the model, and the server's address: nothing else is known of it."""
    address = loading.base_url or os.environ.get("OPENAI_BASE_URL", "")
    return {"server": where, "address": address}


@register_captioner("openai", identify=identify, server=server_of)
def open_server(where: str, loading: Loading) -> Captioner:
    """The captioner of a model on a server. Raises ValueError if its key is not set."""
    return OpenAICaptioner(server_of(where, loading))


class OpenAICaptioner:
    """Greedy captions over HTTP, `spec.concurrency` requests at a time, `spec.max_tokens` long.

    Passing errors are retried, and a request that the server takes only in another form is sent
    in that form (see `Caller`); a request that still fails is a failure of that sample only. Raises
    ValueError if a key is wanted and none is set.
    """

    def __init__(self, spec: ServerSpec) -> None:
        from rediff.llm_client.client import Caller

        self.spec = spec
        self.length = spec.max_tokens or MAX_TOKENS
        self.caller = Caller(spec)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(kind="server", length=self.length, sampler="api")

    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        """A caption or a failure for each request. Pictures are sent as the bytes of their files
        where the server takes these, else as PNG."""
        with ThreadPoolExecutor(self.spec.concurrency) as pool:
            return list(pool.map(self._ask, requests))

    def _ask(self, request: CaptionRequest) -> Caption | Failure:
        original = None if request.original is None else request.original()
        messages = chat_messages(request.asked(), picture(data_url(request.image, original)))
        started = time.perf_counter()
        question = Request(
            messages=messages, prompt="caption", max_tokens=self.length, temperature=0.0
        )
        reply = self.caller.call(body_of(self.spec, question))
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
    """Why a reply is not a caption; None if it is one."""
    if reply.error is not None:
        return reply.error
    if reply.refused:
        return "the model refused to answer"
    if (reply.text or "").strip():
        return None
    if reply.finish == "length":
        return f"the reply {cut_off(reply)}: allow more by `max_tokens`"
    return "the server's reply has no text" + (", only reasoning" if reply.reasoning else "")
