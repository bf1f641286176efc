"""Training records, one strict form for every source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer. An empty question is the model's own request for a caption."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class TextEdit:
    """A wrong segment of an answer, and its correction.

    `nth`: which of several places is meant, from 1 on; None: there is but one.
    """

    wrong: str
    right: str
    nth: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A picture with a dialogue. `place`: file and line, for messages.

    `edits` belong to the last answer, which then is a draft or a corrupted caption: the model sees
    it as it is and learns the right segments.
    """

    place: str
    image: Path
    turns: tuple[Turn, ...]
    edits: tuple[TextEdit, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that is not used. `broken`: it is malformed or its picture is missing; otherwise it
    is left out on purpose."""

    place: str
    reason: str
    broken: bool = True
