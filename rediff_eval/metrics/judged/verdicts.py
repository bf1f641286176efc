"""Scores from a judge's verdicts, whose failures are neither zeros nor left unsaid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from rediff.llm_client.conversation import Failed
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.metrics.aggregates import Aggregate, ratio_of_sums
from rediff_eval.metrics.base import METRICS, WORST, Scored, Scores, needs_references

if TYPE_CHECKING:
    from rediff_eval.metrics.resources import Resources

Verdict = TypeVar("Verdict")
Row = Sequence[float]


class JudgedMetric:
    """The base of judged metrics: they need a judge, and by default a reference.

    `name`: under which the metric is registered; its prompts are those of its registration.
    """

    name: ClassVar[str]

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @property
    def scorer(self) -> str:
        prompts = map(self.resources.prompt, METRICS[self.name].prompts)
        return self.resources.judged_by(self.name, *prompts)

    def unavailable(self) -> str | None:
        return self.resources.no_judge()

    def lacks(self, sample: Sample) -> str | None:
        return needs_references(sample)


def score_verdicts(
    name: str,
    samples: Sequence[Sample],
    verdicts: Sequence[Verdict | Failed],
    *,
    row: Callable[[Verdict], Row],
    worst: Callable[[Sample, Sequence[Row]], Row],
    detail: Callable[[Verdict], Mapping[str, Any]],
    aggregate: Aggregate = ratio_of_sums,
    value: Callable[[Row], float] | None = None,
) -> Scored:
    """The metric over the samples that have a verdict, and its failures.

    Where there are failures, a second metric counts each as the worst: `worst` is given its sample
    and the rows of all verdicts. `row`: a verdict's statistics, as `aggregate` takes them. `value`:
    a sample's own number from its row, the aggregate of that row alone unless given.
    """
    rows = {
        number: row(verdict)
        for number, verdict in enumerate(verdicts)
        if not isinstance(verdict, Failed)
    }
    judged = list(rows.values())
    scores: dict[str, Scores] = {}
    if judged and np.isfinite(aggregate(np.array(judged, dtype=np.float64))):
        scores[name] = _scores(rows, len(samples), aggregate, value)
        if len(judged) < len(samples):
            everything = {
                i: rows[i] if i in rows else worst(s, judged) for i, s in enumerate(samples)
            }
            scores[f"{name}{WORST}"] = _scores(everything, len(samples), aggregate, value)
    pairs = list(zip(samples, verdicts, strict=True))
    return Scored(
        scores,
        {s.id: verdict.reason for s, verdict in pairs if isinstance(verdict, Failed)},
        {s.id: detail(verdict) for s, verdict in pairs if not isinstance(verdict, Failed)},
    )


def _scores(
    rows: Mapping[int, Row], count: int, aggregate: Aggregate, value: Callable[[Row], float] | None
) -> Scores:
    statistics = np.array(list(rows.values()), dtype=np.float64)
    values = np.full(count, np.nan)
    if value is None:
        values[list(rows)] = aggregate(statistics[:, None, :])
    else:
        values[list(rows)] = [value(row) for row in rows.values()]
    return Scores(statistics, values, aggregate)
