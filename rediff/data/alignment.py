"""Edits of an answer as tokens: the wrong and the right token at each position."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rediff.data.records import TextEdit


class AlignmentError(ValueError):
    """An edit cannot be placed, or changes the number of tokens."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """Token ids with the text they spell; token i ends before character `ends[i]`.

    Tokens that spell one character together all end after it.
    """

    text: str
    ids: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of_text(cls, tokenizer: Any, text: str) -> Spelled:
        """A text as the tokenizer cuts it."""
        cut = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return cls(text, tuple(cut["input_ids"]), tuple(end for _, end in cut["offset_mapping"]))

    @classmethod
    def of_ids(cls, tokenizer: Any, ids: Sequence[int]) -> Spelled:
        """A text as a model cut it, which need not be as the tokenizer would."""
        heads = [_decode(tokenizer, ids[: count + 1]) for count in range(len(ids))]
        ends, end = list[int](), len(heads[-1]) if heads else 0
        for head in reversed(heads):
            # The first of several tokens that spell one character decodes to no character yet.
            end = end if head.endswith("\ufffd") else len(head)
            ends.insert(0, end)
        return cls(heads[-1] if heads else "", tuple(ids), tuple(ends))

    def tokens_of(self, first: int, end: int) -> slice:
        """The tokens that hold any of the characters from `first` to before `end`."""
        stop = max(bisect_left(self.ends, end) + 1, bisect_right(self.ends, end))
        return slice(bisect_right(self.ends, first), min(stop, len(self.ends)))

    def start(self, token: int) -> int:
        return self.ends[token - 1] if token else 0


@dataclass(frozen=True, slots=True)
class Aligned:
    """Token ids of an answer and of its correction, equally many."""

    tokens: tuple[int, ...]
    target: tuple[int, ...]


def align(
    tokenizer: Any, answer: str, edits: Sequence[TextEdit], *, first: bool = False
) -> Aligned:
    """The answer and its correction as tokens of the actual tokenizer.

    Args:
        tokenizer: of the model that is trained.
        answer: the wrong answer.
        edits: its corrections.
        first: see `find`.

    Raises:
        AlignmentError: with one clause, for an edit that `find` or `fit` refuses, or that overlaps
            another one.
    """
    spelled = Spelled.of_text(tokenizer, answer)
    target = list(spelled.ids)
    taken: set[int] = set()
    for edit in edits:
        place = claim(spelled, edit, taken, first=first)
        target[spelled.tokens_of(*place)] = fit(tokenizer, spelled, place, edit.right)
    return Aligned(spelled.ids, tuple(target))


def claim(
    spelled: Spelled, edit: TextEdit, taken: set[int], *, first: bool = False
) -> tuple[int, int]:
    """As `find`; the segment's tokens are added to those that other edits have taken.

    Args:
        spelled: the answer in its tokens.
        edit: its wrong segment.
        taken: positions of other edits; is added to.
        first: see `find`.

    Raises:
        AlignmentError: as `find`, and if another edit has taken one of the tokens.
    """
    place = find(spelled.text, edit, first=first)
    tokens = spelled.tokens_of(*place)
    positions = set(range(tokens.start, tokens.stop))
    if positions & taken:
        raise AlignmentError("segments overlap")
    taken |= positions
    return place


def find(text: str, edit: TextEdit, *, first: bool = False) -> tuple[int, int]:
    """The span of an edit's segment: its first character and the one after it.

    Args:
        text: the answer, which alone is searched, for whole words.
        edit: its wrong segment.
        first: take the first of several places that the edit does not choose between, as the
            authors' code does (which searches the prompt, too).

    Raises:
        AlignmentError: with one clause, if it is not found, or is found several times.
    """
    pattern = rf"(?<!\w){re.escape(edit.wrong)}(?!\w)"
    places = [match.span() for match in re.finditer(pattern, text)] if edit.wrong else []
    if not places or (edit.nth or 1) > len(places):
        raise AlignmentError("segment not found")
    if edit.nth is None and len(places) > 1 and not first:
        raise AlignmentError("segment found several times")
    return places[(edit.nth or 1) - 1]


def amend(answer: str, edits: Sequence[TextEdit], *, first: bool = False) -> str:
    """The answer with all edits made, as text.

    Args:
        answer: the text as it was written.
        edits: its errors and their replacements.
        first: of several places that an edit fits, take the first.

    Raises:
        AlignmentError: as `find` does, where an edit fits nowhere or in several places.
    """
    places = {find(answer, edit, first=first): edit.right for edit in edits}
    for (start, end), right in sorted(places.items(), reverse=True):
        answer = answer[:start] + right + answer[end:]
    return answer


def fit(tokenizer: Any, spelled: Spelled, place: tuple[int, int], right: str) -> list[int]:
    """The tokens of a correction, as many as those that it replaces.

    All other tokens stay as they are: a draft is corrected as the model wrote it.

    Args:
        tokenizer: of the model.
        spelled: the answer in its tokens.
        place: the tokens of the wrong segment.
        right: the correction.

    Raises:
        AlignmentError: with one clause, if the correction does not fit.
    """
    tokens = spelled.tokens_of(*place)
    start, end = spelled.start(tokens.start), spelled.ends[tokens.stop - 1]
    wanted = spelled.text[start : place[0]] + right + spelled.text[place[1] : end]
    ids: list[int] = tokenizer(wanted, add_special_tokens=False)["input_ids"]
    if len(ids) != tokens.stop - tokens.start:
        raise AlignmentError("unequal token counts")
    before = spelled.ids[: tokens.start]
    written = _decode(tokenizer, [*before, *ids])[len(_decode(tokenizer, before)) :]
    if written.strip() != wanted.strip():
        raise AlignmentError("the correction is tokenised differently in its place")
    return ids


def _decode(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(
        list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return text
