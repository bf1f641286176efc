"""Conversations with a judge, apart from how they are carried.

What a metric asks of a judge about one caption is a generator: it yields requests, is sent the
replies, and returns its verdict. It knows nothing of servers, caches or retries, so the same code
runs online, as a batch, and on recorded replies.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a judge.

    `messages`: in OpenAI's chat form. `prompt`: name and hash of the prompt. `attempt`: counts
    the times that the same question is asked because a reply could not be used, from 0.
    """

    messages: Sequence[Message]
    prompt: str
    max_tokens: int
    temperature: float
    top_p: float | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: a text (None where the API sent none), or an error.

    `code`: the API's word for the error. `tokens_in`, `tokens_out`: what it counted.
    """

    text: str | None = None
    error: str | None = None
    code: str | None = None
    finish: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def refused(self) -> bool:
        """Whether the judge, or a filter before it, would not answer."""
        return self.finish in ("content_filter", "refusal")

    @property
    def final(self) -> bool:
        """Whether asking again would not help: a refusal, or a call that failed for good."""
        return self.refused or self.error is not None

    @property
    def official_text(self) -> str | None:
        """The text as CapMAS' wrapper passes it on: filtered and failed calls are empty."""
        return "" if self.refused or self.error is not None else self.text


@dataclass(frozen=True, slots=True)
class Failed:
    """No verdict, and one clause that says why."""

    reason: str


Verdict = TypeVar("Verdict")
Talk = Generator[Request, Reply, Verdict | Failed]


def why_unread(reply: Reply, expected: str) -> Failed:
    """The failure of a last reply that could not be used. `expected`: what it should have held."""
    if reply.error is not None:
        return Failed(reply.error)
    if reply.refused:
        return Failed("the judge refused to answer")
    if not (reply.text or "").strip():
        return Failed("the judge's reply is empty")
    if reply.finish == "length":
        return Failed("the judge's reply was cut off")
    return Failed(f"the judge's reply holds {expected}")


def system(text: str) -> Message:
    """A system message."""
    return {"role": "system", "content": [{"type": "text", "text": text}]}


def user(*parts: Mapping[str, Any]) -> Message:
    """A user message of `text` and `picture` parts."""
    return {"role": "user", "content": list(parts)}


def text(content: str) -> Mapping[str, Any]:
    return {"type": "text", "text": content}


def picture(url: str, detail: str | None = None) -> Mapping[str, Any]:
    """A picture by its data URL."""
    return {
        "type": "image_url",
        "image_url": {"url": url, **({"detail": detail} if detail else {})},
    }
