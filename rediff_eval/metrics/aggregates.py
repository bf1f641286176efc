"""Aggregates: how the statistics of samples become the value of a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Aggregate = Callable[[np.ndarray], np.ndarray]
"""From per-sample statistics [..., n, k] to values [...], for any leading resample axes."""


@dataclass(frozen=True, slots=True)
class OfSums:
    """An aggregate f(s) of the sums s of the statistics over the samples.

    Its resamples need no copy of the statistics: their sums are one matrix product. `function`:
    from sums [..., k] to values [...].
    """

    function: Callable[[np.ndarray], np.ndarray]

    def __call__(self, statistics: np.ndarray) -> np.ndarray:
        return self.function(statistics.sum(axis=-2))


def mean(statistics: np.ndarray) -> np.ndarray:
    """The plain mean of the first statistic over samples."""
    return statistics[..., 0].mean(axis=-1)


def quotient(statistics: np.ndarray) -> np.ndarray:
    """The first statistic over the second, float64 [...]; nan for 0 of 0.

    Args:
        statistics: float64 [..., 2].
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(statistics[..., 0] / statistics[..., 1])


ratio_of_sums = OfSums(quotient)
"""The sum of the first statistic over that of the second, nan for 0 of 0."""
