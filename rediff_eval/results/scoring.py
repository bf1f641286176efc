"""From the answers of a condition to its numbers."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.benchmarks.task import Task
from rediff_eval.captioning.outcome import Outcome
from rediff_eval.metrics.base import METRICS, Metric, MetricInfo, Scored
from rediff_eval.metrics.ngram.java import JavaError
from rediff_eval.metrics.resources import Resources
from rediff_eval.results.numbers import ConditionResult
from rediff_eval.results.stats import estimate

FALLBACK = ("capture", "capture_lite", "cider")
"""Metrics by which tables rank, the first one measured, where the task's main metric was not."""


class TooManyFailuresError(RuntimeError):
    """More samples failed than the run allows; everything else was written."""


def score_condition(
    task: Task, samples: SampleSet, outcome: Outcome, resources: Resources
) -> ConditionResult:
    """All metrics of one condition, and a clause for each group of metrics that could not be run.

    Args:
        task: names the metrics.
        samples: all samples.
        outcome: the answers.
        resources: shared by metrics: judge, prompts, models.
    """
    found = []
    for group in task.metrics_on(samples.kind):
        with METRICS.blaming(group):
            found.append(_score_group(group, METRICS[group].make(resources), outcome))
    scores = {name: some for one in found for name, some in one.scored.scores.items()}
    condition = outcome.condition
    return ConditionResult(
        task=task.name,
        data=samples.title,
        model=condition.model,
        sampler=condition.sampler,
        steps=condition.steps,
        tokens_per_step=condition.tokens_per_step,
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
        values={name: array("d", some.values) for name, some in scores.items()},
        judgements={one.group: one.scored.details for one in found if one.scored.details},
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """The values of a group of metrics on a condition, or why it was `not_run`. `left_out`: why
    samples were, by id."""

    group: str
    scored: Scored = Scored({})  # noqa: RUF009 - immutable
    scorer: str = ""
    not_run: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)


def _score_group(group: str, metric: Metric, outcome: Outcome) -> _Group:
    """Scores the samples that meet the metric's needs."""
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


def infos_of(groups: Sequence[str], conditions: Sequence[ConditionResult]) -> dict[str, MetricInfo]:
    """How the measured metrics are shown, in the order of their groups in the task.

    Args:
        groups: names of registered metrics.
        conditions: that were measured.
    """
    measured = {name for condition in conditions for name in condition.metrics}
    every = (info for group in groups for info in METRICS[group].infos)
    infos = {info.name: info for info in every if info.name in measured}
    return infos | {name: MetricInfo(name) for name in sorted(measured - infos.keys())}


def main_metric(task: Task, samples: SampleSet, conditions: Sequence[ConditionResult]) -> str:
    """The task's main metric, or the next best that every condition has.

    Args:
        task: names the metrics.
        samples: their kind decides between main metrics.
        conditions: that were measured.
    """
    wanted = task.main_metric_on(samples.kind)
    found = (
        name
        for name in (wanted, *FALLBACK)
        if all(name in condition.metrics or not condition.metrics for condition in conditions)
    )
    return next(found, wanted)


def check_failures(conditions: Sequence[ConditionResult], allowed: float) -> None:
    """Checks that no condition failed too often.

    Captions that failed, and captions that a judge gave no verdict on, are counted separately.

    Args:
        conditions: the results.
        allowed: share of the samples that may fail.

    Raises:
        TooManyFailuresError: if more failed in a condition, or all.
    """
    for condition in conditions:
        total = len(condition.failures) + condition.captions
        _check(condition.failures, total, allowed, f"samples failed with {condition.model}")
        for group, failures in condition.unjudged.items():
            what = f"captions by {condition.model} have no verdict of {group}"
            _check(failures, condition.captions, allowed, what)


def _check(failures: Mapping[str, str], total: int, allowed: float, what: str) -> None:
    failed = len(failures)
    if failed and (failed > allowed * total or failed == total):
        name, error = next(iter(failures.items()))
        raise TooManyFailuresError(
            f"{failed} of {total} {what}, and `max_failures` allows {allowed:.0%}; what there is"
            f" was written; the first, {name}: {error}"
        )
