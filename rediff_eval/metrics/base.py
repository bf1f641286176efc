"""What a metric is: per-sample values first, aggregates second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rediff_eval.answers import Answer
from rediff_eval.samples import Sample

Aggregate = Callable[[np.ndarray], np.ndarray]
"""From per-sample statistics [..., n, k] to values [...], for any leading resample axes."""


def mean(statistics: np.ndarray) -> np.ndarray:
    """The plain mean of the first statistic over samples."""
    return statistics[..., 0].mean(axis=-1)


@dataclass(frozen=True, slots=True)
class Scores:
    """One metric on one cell.

    `statistics` float64 [n, k]: what `aggregate` needs of each sample; for most metrics k is 1,
    the sample's value itself. `values` float64 [n]: the metric of each sample alone.
    """

    statistics: np.ndarray
    values: np.ndarray
    aggregate: Aggregate = mean

    @classmethod
    def of(cls, values: Sequence[float]) -> Scores:
        """Scores whose aggregate is the mean of the values."""
        array = np.asarray(values, dtype=np.float64)
        return cls(array[:, None], array)


class Metric(Protocol):
    """A group of metrics that share work."""

    def applies(self, samples: Sequence[Sample]) -> str | None:
        """None, or one clause that says why these samples cannot be scored."""
        ...

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Mapping[str, Scores]:
        """Scores by metric name, for answers in the order of the samples."""
        ...
