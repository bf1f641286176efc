"""Captions made elsewhere, joined with a task's samples by their ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rediff.models.precomputed import (
    GIVEN,
    NO_CAPTION,
    PrecomputedCaptioner,
    bare_id,
    strip_ends,
)
from rediff_eval.answers import Answer
from rediff_eval.cells import Cell
from rediff_eval.output import CAPTIONS
from rediff_eval.samples import Sample
from rediff_eval.scoring import Outcome

CELL = ("model", "sampler", "steps", "tokens_per_step")
LISTED = 10
"""Ids that a message names at most."""


@dataclass(frozen=True, slots=True)
class CaptionSet:
    """Captions of one origin by sample id; an error stands for a caption that was not made."""

    cell: Cell
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Joined:
    """A set's captions on a task's samples. `unknown`: ids of captions without a sample;
    `missing`: of samples without a caption."""

    outcome: Outcome
    unknown: Sequence[str]
    missing: Sequence[str]


def read_caption_sets(path: Path) -> list[CaptionSet]:
    """The captions of a file or a run folder of ours.

    A file is JSON `{"id": "caption"}` as official tools write it, JSON lines with `id` and
    `caption`, or the `captions.jsonl` of a run, which may hold several cells. Special tokens that
    end a response are cut off with all behind them. Raises FileNotFoundError or ValueError naming
    what is no caption.
    """
    file = captions_file(path)
    if file.suffix == ".jsonl":
        cells = list(_cells_of_run(file))
        if cells:
            return cells
    captions = PrecomputedCaptioner.load(file).captions
    answers = {
        i: Answer(text=strip_ends(text), seconds=None, truncated=None)
        for i, text in captions.items()
    }
    return [CaptionSet(Cell(path.stem, GIVEN, None, None), answers)]


def captions_file(path: Path) -> Path:
    """The file itself, or that of a run folder. Raises FileNotFoundError where there is none."""
    file = path / CAPTIONS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"no captions file {file}")
    return file


def _cells_of_run(file: Path) -> Iterator[CaptionSet]:
    cells: dict[tuple[Any, ...], dict[str, Answer]] = {}
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            record = _record(line)
            if record is None:
                return
            cell = cells.setdefault(tuple(record[name] for name in CELL), {})
            sample_id = str(record["id"])
            if sample_id in cell:
                raise ValueError(f"{file}:{number}: id {sample_id!r} stands twice")
            cell[sample_id] = Answer.from_record(record)
    for place, answers in cells.items():
        yield CaptionSet(Cell(*place), answers)


def _record(line: str) -> dict[str, Any] | None:
    """A line of a run of ours, None for any other."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    known = isinstance(record, dict) and record.keys() >= {"id", *CELL}
    return record if known else None


def join(captions: CaptionSet, samples: Sequence[Sample], *, allowed: float) -> Joined:
    """The captions in the order of the samples.

    Ids match with or without the suffix of a picture file, where that is clear. Raises ValueError
    naming ids if more than the share `allowed` of the samples has no caption.
    """
    by_bare = _unique_by_bare(captions.answers)
    bare_samples = _unique_by_bare(sample.id for sample in samples)
    found: dict[str, Answer] = {}
    used: set[str] = set()
    for sample in samples:
        bare = bare_id(sample.id)
        own = by_bare.get(bare) if bare in bare_samples else None
        own = sample.id if sample.id in captions.answers else own
        if own is not None:
            used.add(own)
        answer = None if own is None else captions.answers[own]
        found[sample.id] = answer or Answer(error=NO_CAPTION)
    missing = [i for i, answer in found.items() if answer.error == NO_CAPTION]
    if len(missing) > allowed * len(samples):
        raise ValueError(
            f"{captions.cell.title}: {len(missing)} of {len(samples)} samples have no caption"
            f" ({allowed:.0%} are allowed): {name_some(missing)}"
        )
    outcome = Outcome(
        cell=captions.cell,
        samples=tuple(s for s in samples if found[s.id].error is None),
        answers=tuple(a for a in found.values() if a.error is None),
        failures={i: a.error for i, a in found.items() if a.error is not None},
    )
    return Joined(outcome, sorted(set(captions.answers) - used), missing)


def _unique_by_bare(ids: Iterable[str]) -> dict[str, str]:
    """Ids by what is left without a suffix, where that tells one from all others."""
    found: dict[str, list[str]] = {}
    for one in ids:
        found.setdefault(bare_id(one), []).append(one)
    return {bare: some[0] for bare, some in found.items() if len(some) == 1}


def name_some(ids: Sequence[str]) -> str:
    """The first ids, and how many more there are."""
    more = len(ids) - LISTED
    return ", ".join(ids[:LISTED]) + (f" and {more} more" if more > 0 else "")
