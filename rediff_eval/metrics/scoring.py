"""From the answers of a cell to its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rediff_eval.captioning.answers import Answer
from rediff_eval.captioning.conditions import Cell
from rediff_eval.metrics.base import Metric, Scored
from rediff_eval.metrics.ngram.java import JavaError
from rediff_eval.metrics.registry import METRICS
from rediff_eval.metrics.resources import Resources
from rediff_eval.results.numbers import CellResult
from rediff_eval.benchmarks.sample import Sample, SampleSet
from rediff_eval.results.stats import estimate
from rediff_eval.benchmarks.task import Task

FALLBACK = ("capture", "capture_lite", "cider")
"""What tables rank by where the task's main metric was not measured."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answers of a cell, in sample order, without the failed ones; errors by sample id."""

    cell: Cell
    samples: tuple[Sample, ...]
    answers: tuple[Answer, ...]
    failures: Mapping[str, str]


class TooManyFailuresError(RuntimeError):
    """More samples failed than the run allows; everything else was written."""


def score_cell(
    task: Task, samples: SampleSet, outcome: Outcome, resources: Resources
) -> CellResult:
    """All metrics of one cell, and a clause for each group of metrics that could not be run."""
    found = [
        _score_group(group, METRICS[group](resources), outcome)
        for group in task.metrics_on(samples.kind)
    ]
    scores = {name: some for one in found for name, some in one.scored.scores.items()}
    cell = outcome.cell
    return CellResult(
        task=task.name,
        data=samples.title,
        model=cell.model,
        sampler=cell.sampler,
        steps=cell.steps,
        tokens_per_step=cell.tokens_per_step,
        seed=resources.seed,
        metrics={name: estimate(some, seed=resources.seed) for name, some in scores.items()},
        not_run={one.group: one.not_run for one in found if one.not_run},
        failures=outcome.failures,
        unjudged={one.group: one.scored.failures for one in found if one.scored.failures},
        left_out={one.group: one.left_out for one in found if one.left_out},
        captions=len(outcome.answers),
        truncated=sum(bool(answer.truncated) for answer in outcome.answers),
        scorers={name: one.scorer for one in found for name in one.scored.scores},
        ids=tuple(sample.id for sample in outcome.samples),
        values={name: tuple(map(float, some.values)) for name, some in scores.items()},
        judgements={one.group: one.scored.details for one in found if one.scored.details},
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """What a group of metrics gave on a cell, or why it was `not_run`. `left_out`: why samples
    were, by id."""

    group: str
    scored: Scored = Scored({})  # noqa: RUF009 - immutable
    scorer: str = ""
    not_run: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)


def _score_group(group: str, metric: Metric, outcome: Outcome) -> _Group:
    """Scores the samples that have what the metric needs."""
    samples, answers = outcome.samples, outcome.answers
    lacking = {s.id: lack for s in samples if (lack := metric.lacks(s))}
    usable = [i for i, sample in enumerate(samples) if sample.id not in lacking]
    if not usable:
        return _Group(group, not_run=next(iter(lacking.values()), "no captions"))
    if reason := metric.unavailable():
        return _Group(group, not_run=reason)
    try:
        found = metric.score([samples[i] for i in usable], [answers[i] for i in usable])
    except JavaError as error:
        return _Group(group, not_run=str(error))
    scores = {name: some.among(usable, len(samples)) for name, some in found.scores.items()}
    return _Group(group, replace(found, scores=scores), metric.scorer, left_out=lacking)


def main_metric(task: Task, samples: SampleSet, cells: Sequence[CellResult]) -> str:
    """The task's main metric, or the next best that every cell has."""
    wanted = task.main_metric_on(samples.kind)
    found = (
        name
        for name in (wanted, *FALLBACK)
        if all(name in cell.metrics or not cell.metrics for cell in cells)
    )
    return next(found, wanted)


def check_failures(cells: Sequence[CellResult], allowed: float) -> None:
    """Raises TooManyFailuresError if a cell has more than its share, or nothing else.

    Captions that failed and captions that a judge gave no verdict on are counted apart.
    """
    for cell in cells:
        total = len(cell.failures) + cell.captions
        _check(cell.failures, total, allowed, f"samples failed with {cell.model}")
        for group, failures in cell.unjudged.items():
            what = f"captions by {cell.model} have no verdict of {group}"
            _check(failures, cell.captions, allowed, what)


def _check(failures: Mapping[str, str], total: int, allowed: float, what: str) -> None:
    failed = len(failures)
    if failed and (failed > allowed * total or failed == total):
        name, error = next(iter(failures.items()))
        raise TooManyFailuresError(f"{failed} of {total} {what}; the first, {name}: {error}")
