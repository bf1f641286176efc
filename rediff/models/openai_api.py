"""Captions by any server that speaks OpenAI's chat protocol."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
from openai.types.chat import ChatCompletion
from PIL import Image

from rediff.chat.talk import picture
from rediff.data.images import data_url
from rediff.models.captioner import (
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
    """Greedy captions over HTTP, `concurrency` requests at a time.

    The key is read from the environment variable OPENAI_API_KEY, the server's address from
    `base_url` or OPENAI_BASE_URL. Timeouts, rate limits and server errors are tried again, with
    growing pauses, `retries` times; what still fails is a failure of that sample alone.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        length: int = MAX_TOKENS,
        concurrency: int = 8,
        retries: int = 5,
        timeout: float = 120.0,
    ) -> None:
        self.model = model
        self.length = length
        self.concurrency = concurrency
        try:
            self.client = openai.OpenAI(base_url=base_url, max_retries=retries, timeout=timeout)
        except openai.OpenAIError as error:
            raise ValueError(
                f"no key for {model}: set the environment variable OPENAI_API_KEY"
                " (any text will do for a server of your own)"
            ) from error

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
        """A caption or a failure for each image."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            return list(pool.map(self._ask, images, requests(said, len(images))))

    def _ask(self, image: Image.Image, said: Said) -> Caption | Failure:
        started = time.perf_counter()
        try:
            reply: Any = self.client.chat.completions.create(
                model=self.model,
                max_completion_tokens=self.length,
                temperature=0,
                messages=chat_messages(said, picture(data_url(image))),
            )
        except (openai.OpenAIError, ValueError) as error:
            return Failure(f"{type(error).__name__}: {error}")
        if not isinstance(reply, ChatCompletion):
            return Failure("the server's reply is no chat completion; is its address right?")
        choice = reply.choices[0] if reply.choices else None
        if choice is None or not choice.message.content:
            return Failure("the server's reply has no text")
        tokens = reply.usage.completion_tokens if reply.usage else None
        return Caption(
            text=choice.message.content.strip(),
            tokens=tokens,
            nfe=tokens,
            seconds=time.perf_counter() - started,
            truncated=choice.finish_reason == "length",
        )

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()
