"""One conversation with an expert about one draft."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rediff.data.records import TextEdit
from rediff.llm_client.conversation import (
    Conversation,
    Request,
    picture,
    system,
    text,
    user,
    why_unread,
)
from rediff.llm_client.json_objects import objects
from rediff.llm_client.prompt import Prompt, fill

TRIES = 3
MAX_TOKENS = 4096
TEMPERATURE = 0.0
Edits = tuple[TextEdit, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Edit(_Strict):
    wrong: str = Field(min_length=1)
    right: str
    nth: int | None = Field(default=None, ge=1)


class _Reply(_Strict):
    edits: list[_Edit]


SCHEMA: Mapping[str, Any] = {
    "title": "edits",
    "type": "object",
    "additionalProperties": False,
    "required": ["edits"],
    "properties": {
        "edits": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["wrong", "right", "nth"],
                "properties": {
                    "wrong": {"type": "string"},
                    "right": {"type": "string"},
                    "nth": {"type": ["integer", "null"]},
                },
            },
        }
    },
}
"""Of a reply, within the subset that structured output takes everywhere."""


def expert_prompt() -> Prompt:
    """The prompt of the expert."""
    here = Path(__file__).parent
    texts = ((here / f"{name}.txt").read_text(encoding="utf-8") for name in ("system", "user"))
    return Prompt("own-expert", *(content.rstrip("\n") for content in texts))


def ask(
    prompt: Prompt, url: str, question: str, truth: str, draft: str, *, structured: bool
) -> Conversation[Edits]:
    """Asks up to three times for the edits that make a draft right; none: it is right.

    `url`: the picture's data URL. `structured`: the server is given the schema of the reply.
    """
    filled = fill(prompt.template, question=question, truth=truth, draft=draft)
    messages = [system(prompt.system), user(picture(url), text(filled))]
    for attempt in range(TRIES):
        reply = yield Request(
            messages=messages,
            prompt=prompt.id,
            max_tokens=MAX_TOKENS,
            temperature=TEMPERATURE,
            attempt=attempt,
            schema=SCHEMA if structured else None,
        )
        if reply.final:
            break
        found = None if reply.finish == "length" else read_edits(reply.text or "")
        if found is not None:
            return found
    return why_unread(reply, "the expert", "no list of edits that is clear")


def read_edits(reply: str) -> Edits | None:
    """The edits of the one JSON object that has a list of them; None for anything else."""
    found = [data for data in objects(reply) if "edits" in data]
    if len(found) != 1:
        return None
    try:
        read = _Reply.model_validate(found[0])
    except ValidationError:
        return None
    return tuple(TextEdit(edit.wrong, edit.right, edit.nth) for edit in read.edits)
