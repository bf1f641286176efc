"""Conversations with a model, independent of how they are transported.

The questions to a judge about a caption, or to an expert about a draft, are a generator: it yields
requests, is sent the replies, and returns its outcome. It knows nothing of servers, caches or
retries, so the same code runs online, as a batch, and on recorded replies.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a model.

    `messages`: in OpenAI's chat form. `prompt`: name and hash of the prompt. `attempt`: counts
    the times that the same question is asked because a reply could not be used, from 0. `schema`: a
    JSON schema with a `title`, which a server that knows structured output holds the reply to.
    """

    messages: Sequence[Message]
    prompt: str
    max_tokens: int
    temperature: float
    top_p: float | None = None
    attempt: int = 0
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a request: a text (None where the API sent none), or an error.

    `code`: the API's word for the error. `rejected`: the API refuses the request itself.
    `fatal`: no request will be answered: a wrong key, model or address, or nobody there. `status`:
    of the answer that was an error.
    `tokens_in`, `tokens_out`: its counts, None where it sent none. `reasoning`: the model's
    thinking, which is not part of `text`.
    """

    text: str | None = None
    error: str | None = None
    code: str | None = None
    rejected: bool = False
    finish: str = "stop"
    tokens_in: int | None = None
    tokens_out: int | None = None
    reasoning: str | None = None
    fatal: bool = False
    status: int | None = None

    @property
    def refused(self) -> bool:
        """Whether the model, or a filter before it, would not answer."""
        return self.finish in ("content_filter", "refusal")

    @property
    def final(self) -> bool:
        """Whether asking again would not help: a refusal, or a call that failed for good."""
        return self.refused or self.error is not None


class ConversationError(ValueError):
    """A conversation ends without an outcome; the text says why."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No outcome, and one clause that says why.

    `unanswered`: the server gave no reply at all, so that asking another time may help; unless it
    `rejected` this very request.
    """

    reason: str
    unanswered: bool = False
    rejected: bool = False


Outcome = TypeVar("Outcome")
Conversation = Generator[Request, Reply, Outcome | Failed]


def why_unread(reply: Reply, who: str, expected: str) -> Failed:
    """The failure of a last reply that could not be used.

    Args:
        reply: the answer.
        who: gave it, as "the judge".
        expected: the missing part of the reply, as "no score that is clear".
    """
    if reply.error is not None:
        return Failed(reply.error, unanswered=True, rejected=reply.rejected)
    if reply.refused:
        return Failed(f"{who} refused to answer")
    if reply.finish == "length":
        return Failed(
            f"{who}'s reply {cut_off(reply)}: allow more by `{who.split()[-1]}_max_tokens`"
        )
    if not (reply.text or "").strip():
        only = ", it holds reasoning alone" if reply.reasoning else ""
        return Failed(f"{who}'s reply is empty{only}")
    return Failed(f"{who}'s reply holds {expected}")


def cut_off(reply: Reply) -> str:
    """A clause about a reply that its token limit ended."""
    at = "" if reply.tokens_out is None else f" at {reply.tokens_out} tokens"
    thinking = "" if (reply.text or "").strip() else " while reasoning"
    return f"was cut off{at}{thinking}"


def system(text: str) -> Message:
    """A system message."""
    return {"role": "system", "content": [{"type": "text", "text": text}]}


def user(*parts: Mapping[str, Any]) -> Message:
    """A user message of `text` and `picture` parts."""
    return {"role": "user", "content": list(parts)}


def text(content: str) -> Mapping[str, Any]:
    return {"type": "text", "text": content}


def picture(url: str, detail: str | None = None) -> Mapping[str, Any]:
    """The part of a message that shows a picture.

    Args:
        url: the picture as a data URL.
        detail: how closely the server is to look, in OpenAI's words; None leaves it to the server.
    """
    return {
        "type": "image_url",
        "image_url": {"url": url, **({"detail": detail} if detail else {})},
    }
