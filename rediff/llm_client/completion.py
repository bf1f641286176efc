"""Reads a server's answer as a reply, in all forms that OpenAI-compatible servers give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai

from rediff.io.names import whole_text
from rediff.llm_client.conversation import Reply
from rediff.llm_client.reasoning import split_reasoning

THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields of a message, and types of the parts of a content, that hold no answer."""


class AnsweredError(ValueError):
    """A server, or a server that it calls, reports an error within an answer of status 200.

    `status`, `code`: the server's, None where it gives none.
    """

    def __init__(self, message: str, status: int | None, code: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def read_completion(answer: Any) -> Reply:
    """A reply from the API's answer, as JSON values or a model of them.

    Reasoning is not part of the text, wherever it is: in fields or parts of its own, or in front of
    the answer. Counts of tokens that are missing or no numbers are unknown. Raises AnsweredError,
    or ValueError if it is not a completion: the client itself takes anything.
    """
    raw = answer.to_dict(warnings=False) if isinstance(answer, openai.BaseModel) else answer
    if not isinstance(raw, Mapping):
        raise ValueError("expected an object; is the server's address right?")
    if raw.get("error"):
        raise _error(raw["error"])
    choices = raw.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise ValueError("it has no 'choices'")
    choice = choices[0]
    if choice.get("error"):
        raise _error(choice["error"])
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise ValueError("its first choice has no 'message'")
    text, reasoning = _contents(message)
    counts = raw.get("usage")
    usage: Mapping[str, Any] = counts if isinstance(counts, Mapping) else {}
    finish = choice.get("finish_reason")
    return Reply(
        text=text,
        reasoning=reasoning,
        finish="refusal"
        if message.get("refusal")
        else finish
        if isinstance(finish, str)
        else "stop",
        tokens_in=_count(usage.get("prompt_tokens")),
        tokens_out=_count(usage.get("completion_tokens")),
    )


def _error(error: Any) -> AnsweredError:
    details = error if isinstance(error, Mapping) else {"message": str(error)}
    code = details.get("code")
    status = code if isinstance(code, int) else None
    if isinstance(code, str) and code.isdecimal():
        status = int(code)
    return AnsweredError(str(details.get("message") or error), status, None if status else code)


def _contents(message: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The answer, None where there is none, and the reasoning."""
    content = message.get("content")
    thoughts = [str(message[name]) for name in THOUGHTS if message.get(name)]
    if isinstance(content, list):
        thoughts += [_text_of(part) for part in content if _is_thought(part)]
        texts = [_text_of(part) for part in content if not _is_thought(part)]
        content = "".join(texts) if texts else None
    if content is None:
        return None, "\n".join(thoughts) or None
    if not isinstance(content, str):
        raise ValueError(f"its content must be text, got {content!r:.40}")
    said = split_reasoning(whole_text(content))
    if said.reasoning:
        thoughts.append(said.reasoning)
    whole = whole_text(content)
    return whole if said.answer == whole.strip() else said.answer, "\n".join(thoughts) or None


def _is_thought(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in THOUGHTS


def _text_of(part: Any) -> str:
    """The text in a part of a content; "" for parts that are not text, as a picture."""
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(map(_text_of, part))
    if not isinstance(part, Mapping):
        return ""
    return _text_of(next((part[k] for k in ("text", *THOUGHTS, "content") if part.get(k)), ""))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
