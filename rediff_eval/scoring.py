"""From the answers of a cell to its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rediff_eval.answers import Answer
from rediff_eval.cells import Cell
from rediff_eval.metrics import METRICS
from rediff_eval.results import CellResult
from rediff_eval.samples import Sample, SampleSet
from rediff_eval.spec import RunSpec
from rediff_eval.stats import Estimate, estimate
from rediff_eval.task import Task


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answers of a cell, in sample order, without the failed ones; errors by sample id."""

    cell: Cell
    samples: tuple[Sample, ...]
    answers: tuple[Answer, ...]
    failures: Mapping[str, str]


class TooManyFailuresError(RuntimeError):
    """More samples failed than the run allows; everything else was written."""


def score_cell(spec: RunSpec, samples: SampleSet, outcome: Outcome) -> CellResult:
    """All metrics of one cell, and a clause for each group of metrics that could not be run."""
    estimates: dict[str, Estimate] = {}
    values: dict[str, np.ndarray] = {}
    not_run: dict[str, str] = {}
    scorers: dict[str, str] = {}
    for group in spec.task.metrics:
        metric = METRICS[group]()
        reason = metric.applies(outcome.samples) if outcome.samples else "no captions"
        if reason:
            not_run[group] = reason
            continue
        for name, scores in metric.score(outcome.samples, outcome.answers).items():
            estimates[name] = estimate(scores, seed=spec.seed)
            values[name] = scores.values
            scorers[name] = group
    cell = outcome.cell
    return CellResult(
        task=spec.task.name,
        data=samples.title,
        model=cell.model,
        sampler=cell.sampler,
        steps=cell.steps,
        tokens_per_step=cell.tokens_per_step,
        seed=spec.seed,
        metrics=estimates,
        not_run=not_run,
        failures=outcome.failures,
        captions=len(outcome.answers),
        truncated=sum(answer.truncated for answer in outcome.answers),
        scorers=scorers,
        ids=tuple(sample.id for sample in outcome.samples),
        values={name: tuple(map(float, column)) for name, column in values.items()},
    )


def main_metric(task: Task, outcomes: Sequence[Outcome]) -> str:
    """The task's main metric, or CIDEr where the samples have no scene graph."""
    samples = [sample for outcome in outcomes for sample in outcome.samples]
    return task.main_metric if all(sample.scene for sample in samples) else "cider"


def check_failures(outcomes: Sequence[Outcome], allowed: float) -> None:
    """Raises TooManyFailuresError if a cell has more than its share, or no caption at all."""
    for outcome in outcomes:
        failed = len(outcome.failures)
        total = failed + len(outcome.samples)
        if failed and (failed > allowed * total or failed == total):
            name, error = next(iter(outcome.failures.items()))
            raise TooManyFailuresError(
                f"{failed} of {total} samples failed with {outcome.cell.model};"
                f" the first, {name}: {error}"
            )
