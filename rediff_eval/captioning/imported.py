"""Captions made elsewhere, joined with a task's samples by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rediff.captioners.precomputed import GIVEN, NO_CAPTION, bare_id, strip_ends
from rediff.data.caption_files import read_caption_file
from rediff.io.names import id_text, same_name
from rediff.io.text_files import Row, read_rows
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.captioning.config import Condition
from rediff_eval.captioning.outcome import Outcome

CAPTIONS = "captions.jsonl"
"""File of all captions in a run folder."""
CONDITION = ("model", "sampler", "steps", "tokens_per_step")
LISTED = 10
"""Ids that a message names at most."""


@dataclass(frozen=True, slots=True)
class CaptionSet:
    """Captions of one origin by sample id; an error takes the place of a caption that was not
    made."""

    condition: Condition
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Joined:
    """A set's captions on a task's samples. `unknown`: ids of captions without a sample;
    `missing`: of samples without a caption."""

    outcome: Outcome
    unknown: Sequence[str]
    missing: Sequence[str]


def read_caption_sets(path: Path, name: str | None = None) -> list[CaptionSet]:
    """The captions of a file or a run folder of ours.

    Special tokens that end a response are cut off with all that follows.

    Args:
        path: a file of any form that `read_caption_file` takes, or the `captions.jsonl` of a run,
            which may hold several conditions, or the run's folder.
        name: of the model of a file in results, its stem unless given.

    Raises:
        FileNotFoundError: or ValueError, naming the entry that cannot be read.
    """
    file = captions_file(path)
    rows = read_rows(file)
    if rows and _is_of_run(rows[0]):
        if name is not None:
            raise ValueError(f"{file} is of a run, which names its models: it takes no --name")
        return list(_conditions_of_run(rows))
    read = read_caption_file(file)
    answers = {i: Answer.of_text(strip_ends(text)) for i, text in read.captions.items()}
    answers |= {i: Answer(error=reason) for i, reason in read.broken.items()}
    return [CaptionSet(Condition(name or path.stem, GIVEN, None, None), answers)]


def captions_file(path: Path) -> Path:
    """The file itself, or that of a run folder. Raises FileNotFoundError where there is none."""
    file = path / CAPTIONS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"no captions file {file}")
    return file


def _is_of_run(row: Row) -> bool:
    return isinstance(row.value, dict) and row.value.keys() >= {"id", *CONDITION}


def _conditions_of_run(rows: Iterable[Row]) -> Iterator[CaptionSet]:
    found: dict[tuple[Any, ...], dict[str, Answer]] = {}
    for row in rows:
        if not _is_of_run(row):
            raise ValueError(f"{row.place}: {row.broken or 'no line of a run'}, as those before it")
        record = row.value
        answers = found.setdefault(tuple(record[name] for name in CONDITION), {})
        sample_id = id_text(record["id"], row.place)
        if sample_id in answers:
            raise ValueError(f"{row.place}: duplicate id {sample_id!r}")
        answers[sample_id] = Answer.from_record(record)
    for condition, answers in found.items():
        yield CaptionSet(Condition(*condition), answers)


def join(captions: CaptionSet, samples: Sequence[Sample], *, allowed: float) -> Joined:
    """The captions in the order of the samples.

    Ids match if they look the same (NFC), with or without the suffix of a picture file where
    that is clear, and by a sample's aliases.

    Args:
        captions: by their ids.
        samples: of the task.
        allowed: share of the samples that may have no caption.

    Raises:
        ValueError: naming ids, if more than that share has none.
    """
    by_name = {same_name(own): own for own in captions.answers}
    by_bare = _unique_by_bare(captions.answers)
    bare_samples = _unique_by_bare(sample.id for sample in samples)
    found: dict[str, Answer] = {}
    used: set[str] = set()
    for sample in samples:
        names = [by_name.get(same_name(name)) for name in (sample.id, *sample.aliases)]
        bare = same_name(bare_id(sample.id))
        names.append(by_bare.get(bare) if bare in bare_samples else None)
        own = next((name for name in names if name is not None), None)
        if own is not None:
            used.add(own)
        answer = None if own is None else captions.answers[own]
        found[sample.id] = answer or Answer(error=NO_CAPTION)
    missing = [i for i, answer in found.items() if answer.error is not None]
    if len(missing) > allowed * len(samples):
        raise ValueError(
            f"{captions.condition.title}: {len(missing)} of {len(samples)} samples have no caption"
            f" ({allowed:.0%} are allowed): {name_some(missing)}{_reason(found, missing[0])}"
        )
    outcome = Outcome.of(captions.condition, samples, found)
    return Joined(outcome, sorted(set(captions.answers) - used), missing)


def _reason(found: Mapping[str, Answer], first: str) -> str:
    reason = found[first].error
    return "" if reason == NO_CAPTION else f"; the first: {reason}"


def _unique_by_bare(ids: Iterable[str]) -> dict[str, str]:
    """Ids by their text without the suffix, where that is unique."""
    found: dict[str, list[str]] = {}
    for one in ids:
        found.setdefault(same_name(bare_id(one)), []).append(one)
    return {bare: some[0] for bare, some in found.items() if len(some) == 1}


def name_some(ids: Sequence[str]) -> str:
    """The first ids, and how many more there are."""
    more = len(ids) - LISTED
    return ", ".join(ids[:LISTED]) + (f" and {more} more" if more > 0 else "")
