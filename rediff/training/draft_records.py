"""Drafts and their corrections, as JSON lines that each hold all of a draft."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from rediff.training.edits import END, Edit

Record = TypeVar("Record", bound=BaseModel)
DRAFTS = "drafts.jsonl"
CORRECTIONS = "corrections.jsonl"
COST = "cost.jsonl"
UNUSED = "unused.jsonl"


class Draft(BaseModel):
    """One decoded response. `words` has one entry for each canvas position, empty after the end.

    `id`: of the picture. `dialogue`: which of the picture's dialogues asked for it.
    `tokens_per_step`: the budget that made it. `nfe`: forward passes that it took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    dialogue: int = 0
    tokens_per_step: int
    nfe: int
    words: tuple[str, ...]


class Segment(BaseModel):
    """A wrong segment of a draft, from `start` on, and a correction of equal token count.

    `right` is empty where no such correction is known: the segment is trained neither as wrong
    nor as right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int
    wrong: tuple[str, ...]
    right: tuple[str, ...]


class Correction(BaseModel):
    """A draft with an expert's corrections; an empty list says that the draft is right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    draft: Draft
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, draft: Draft, edits: Iterable[Edit]) -> Correction:
        """A draft with the edits that make it right."""
        segments = tuple(Segment(start=e.start, wrong=e.wrong, right=e.right) for e in edits)
        return cls(draft=draft, segments=segments)

    def corrected(self) -> tuple[str, ...]:
        """The draft's words with every segment replaced.

        Raises ValueError if a segment is not in the draft or changes its length.
        """
        words = list(self.draft.words)
        for segment in self.segments:
            end = segment.start + len(segment.wrong)
            if tuple(words[segment.start : end]) != segment.wrong:
                raise ValueError(
                    f"{self.draft.id}: no {' '.join(segment.wrong)!r} at word {segment.start}"
                )
            if len(segment.right) not in (0, len(segment.wrong)):
                raise ValueError(f"{self.draft.id}: a correction of another length")
            words[segment.start : end] = segment.right or segment.wrong
        return tuple(words)

    def unsure(self) -> tuple[bool, ...]:
        """Positions where the draft is wrong and the right word is not known."""
        unsure = {
            segment.start + offset
            for segment in self.segments
            if not segment.right
            for offset in range(len(segment.wrong))
        }
        return tuple(position in unsure for position in range(len(self.draft.words)))


class Cost(BaseModel):
    """The cost of an expert's corrections.

    `nfe`: forward passes of our own model. `calls`, `tokens_in`, `tokens_out`: replies of `model`
    on a server that corrections were read from, cached ones too, and the tokens it counted.
    `dollars`: for these tokens by the list of prices; None where the price is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nfe: int = 0
    model: str | None = None
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float | None = 0.0


class Unused(BaseModel):
    """A part of an expert's work that was not used, and why.

    `edit`: the correction that cannot be placed; None: the whole draft is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    dialogue: int
    tokens_per_step: int
    reason: str
    edit: tuple[str, str] | None = None


def pad_words(words: Sequence[str], length: int) -> tuple[str, ...]:
    """Words filled up with `END`.

    Args:
        words: of a response.
        length: of the canvas.
    """
    return (*words, *[END] * (length - len(words)))


def write_lines(path: Path, records: Iterable[BaseModel]) -> None:
    """Writes a JSON line for each record, all of them or none.

    Args:
        path: the file, replaced when all lines are written.
        records: of one kind.
    """
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.writelines(record.model_dump_json() + "\n" for record in records)
    partial.replace(path)


def read_lines(path: Path, kind: type[Record]) -> Iterator[Record]:
    """Reads a file of `write_lines`.

    Args:
        path: the file.
        kind: of record.

    Raises:
        ValueError: naming file and line of a broken record.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield kind.model_validate_json(line)
            except ValidationError as error:
                raise ValueError(f"{path}:{number}: {error.errors()[0]['msg']}") from error
