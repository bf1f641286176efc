"""How the replies of a judge are read, by every judged metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rediff.llm_client import conversation
from rediff.llm_client.conversation import Failed, Reply

Given = TypeVar("Given")


def why_unread(reply: Reply, expected: str) -> Failed:
    """The failure of a last reply that could not be used. `expected`: its missing part."""
    return conversation.why_unread(reply, "the judge", expected)


def official_text(reply: Reply) -> str | None:
    """The text as CapMAS' wrapper passes it on: filtered and failed calls are empty."""
    return "" if reply.refused or reply.error is not None else reply.text


def by_number(answers: Iterable[tuple[int, Given]], allowed: range) -> dict[int, Given] | None:
    """Answers by their numbers; None if a number lies outside of `allowed`.

    A number with two answers that differ is left out.
    """
    found: dict[int, Given] = {}
    contested: set[int] = set()
    for number, answer in answers:
        if number not in allowed:
            return None
        if found.setdefault(number, answer) != answer:
            contested.add(number)
    return {number: answer for number, answer in found.items() if number not in contested}


def cut(text: str) -> list[str]:
    """The pieces of a text between line breaks and ". ", each up to its first ")".

    The official programs take every second one for an answer.
    """
    text = text.replace("\n\n", "\n").strip().replace(". ", "\n")
    return [piece.split(")")[0] for piece in text.split("\n")]
