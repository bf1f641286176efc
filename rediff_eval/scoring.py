"""From the answers of a cell to its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rediff_eval.answers import Answer
from rediff_eval.cells import Cell
from rediff_eval.metrics.base import Scores
from rediff_eval.metrics.ngram.java import JavaError
from rediff_eval.metrics.registry import METRICS
from rediff_eval.metrics.resources import Resources
from rediff_eval.results import CellResult
from rediff_eval.samples import Sample, SampleSet
from rediff_eval.stats import estimate
from rediff_eval.task import Task

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
    scores: dict[str, Scores] = {}
    not_run: dict[str, str] = {}
    scorers: dict[str, str] = {}
    unjudged: dict[str, Mapping[str, str]] = {}
    judgements: dict[str, Mapping[str, Mapping[str, object]]] = {}
    for group in task.metrics_on(samples.kind):
        metric = METRICS[group](resources)
        reason = metric.applies(outcome.samples) if outcome.samples else "no captions"
        if reason:
            not_run[group] = reason
            continue
        try:
            found = metric.score(outcome.samples, outcome.answers)
        except JavaError as error:
            not_run[group] = str(error)
            continue
        scores |= found.scores
        scorers |= dict.fromkeys(found.scores, metric.scorer)
        if found.failures:
            unjudged[group] = found.failures
        if found.details:
            judgements[group] = found.details
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
        not_run=not_run,
        failures=outcome.failures,
        unjudged=unjudged,
        captions=len(outcome.answers),
        truncated=sum(bool(answer.truncated) for answer in outcome.answers),
        scorers=scorers,
        ids=tuple(sample.id for sample in outcome.samples),
        values={name: tuple(map(float, some.values)) for name, some in scores.items()},
        judgements=judgements,
    )


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
