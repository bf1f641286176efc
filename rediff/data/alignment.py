"""Edits of an answer as tokens: what stands there, and what should, position by position."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rediff.data.records import TextEdit


class AlignmentError(ValueError):
    """An edit cannot be placed, or changes the number of tokens."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """Token ids of an answer and of its correction, equally many."""

    tokens: tuple[int, ...]
    target: tuple[int, ...]


def align(
    tokenizer: Any, answer: str, edits: Sequence[TextEdit], *, first: bool = False
) -> Aligned:
    """The answer and its correction as tokens of the actual tokenizer.

    A segment is looked for in the answer alone, as whole words; one that stands there several
    times is refused, unless `first`: then the first place is taken, as the authors' code does
    (which searches the prompt, too). Raises AlignmentError with one clause.
    """
    tokens = _ids(tokenizer, answer)
    corrected = answer
    for edit in edits:
        corrected = _replace(corrected, edit, first=first)
        if len(_ids(tokenizer, corrected)) != len(tokens):
            raise AlignmentError("unequal token counts")
    return Aligned(tuple(tokens), tuple(_ids(tokenizer, corrected)))


def _replace(text: str, edit: TextEdit, *, first: bool) -> str:
    places = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(edit.wrong)}(?!\w)", text)]
    if not places:
        raise AlignmentError("segment not found")
    if len(places) > 1 and not first:
        raise AlignmentError("segment stands several times")
    return text[: places[0]] + edit.right + text[places[0] + len(edit.wrong) :]


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
