"""What a metric is: per-sample values first, aggregates second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from rediff_eval.captioning.answers import Answer
    from rediff_eval.benchmarks.sample import Sample


WORST = "_worst"
"""Ends the name of a metric in which failures count as the worst verdict."""
Aggregate = Callable[[np.ndarray], np.ndarray]
"""From per-sample statistics [..., n, k] to values [...], for any leading resample axes."""


def mean(statistics: np.ndarray) -> np.ndarray:
    """The plain mean of the first statistic over samples."""
    return statistics[..., 0].mean(axis=-1)


@dataclass(frozen=True, slots=True)
class Scores:
    """One metric on one cell.

    `statistics` float64 [n, k]: what `aggregate` needs of each sample that has a value; for most
    metrics k is 1, the sample's value itself. `values` float64 [N]: the metric of each sample
    alone, nan where it has none.
    """

    statistics: np.ndarray
    values: np.ndarray
    aggregate: Aggregate = mean

    def among(self, positions: Sequence[int], count: int) -> Scores:
        """The same scores among `count` samples, of which these are at `positions`; nan for the
        others."""
        values = np.full(count, np.nan)
        values[list(positions)] = self.values
        return Scores(self.statistics, values, self.aggregate)

    @classmethod
    def of(cls, values: Sequence[float]) -> Scores:
        """Scores whose aggregate is the mean of the values."""
        array = np.asarray(values, dtype=np.float64)
        return cls(array[:, None], array)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a group of metrics gives.

    `failures`: why there is no verdict, by sample id. `details`: what a judge said, by sample id,
    as plain JSON values.
    """

    scores: Mapping[str, Scores]
    failures: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Metric(Protocol):
    """A group of metrics that share work.

    `scorer`: what makes the numbers, with all that changes them: only numbers of one scorer can be
    ranked together.
    """

    @property
    def scorer(self) -> str: ...

    def unavailable(self) -> str | None:
        """None, or one clause that says what the metric needs and this machine or run has not."""
        ...

    def lacks(self, sample: Sample) -> str | None:
        """None, or one clause that says what a sample lacks; it is left out, the others scored."""
        ...

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        """Scores by metric name, for answers in the order of the samples."""
        ...


def needs_references(sample: Sample) -> str | None:
    """What a sample without references lacks."""
    return None if sample.references else "needs references"


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Scores:
    """Scores whose aggregate is the sum of `parts` over that of `wholes`; nan for 0 of 0."""
    statistics = np.stack([parts, wholes], axis=1).astype(np.float64)
    return Scores(statistics, _quotient(statistics), ratio_of_sums)


def ratio_of_sums(statistics: np.ndarray) -> np.ndarray:
    """The sum of the first statistic over that of the second, nan for 0 of 0."""
    return _quotient(statistics.sum(axis=-2))


def _quotient(statistics: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return statistics[..., 0] / statistics[..., 1]
