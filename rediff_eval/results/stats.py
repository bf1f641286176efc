"""95% intervals by the percentile bootstrap over samples (Efron 1979).

The aggregate is computed of each resample, and the interval goes from the 2.5th to the 97.5th
percentile of these values.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rediff_eval.metrics.aggregates import OfSums, mean
from rediff_eval.results.resamples import (
    RESAMPLES,
    interval_of,
    resample_means,
    resample_sums,
)

if TYPE_CHECKING:
    from rediff_eval.metrics.base import Scores

BATCH = 200
"""Resamples of an aggregate of any kind that are computed at once."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An aggregate with its 95% interval over n samples.

    A single sample has no interval, nor do resamples that may have no value at all.
    """

    value: float
    low: float | None
    high: float | None
    n: int


def estimate(scores: Scores, *, seed: int = 0) -> Estimate:
    """The aggregate with a percentile bootstrap interval.

    Args:
        scores: a metric of all samples.
        seed: fixes the resamples.
    """
    n = len(scores.statistics)
    value = float(scores.aggregate(scores.statistics))
    if n < 2:
        return Estimate(value, None, None, n)
    low, high = _interval(scores, seed)
    known = np.isfinite([low, high]).all()
    return Estimate(value, low if known else None, high if known else None, n)


def _interval(scores: Scores, seed: int) -> tuple[float, float]:
    """The interval, nan where a resample has no value."""
    aggregate, statistics = scores.aggregate, scores.statistics
    if isinstance(aggregate, OfSums):
        return interval_of(aggregate.function(resample_sums(statistics, seed=seed)))
    if aggregate is mean:
        return interval_of(resample_means(statistics[:, 0], seed=seed))
    return _by_scipy(scores, seed)


def _by_scipy(scores: Scores, seed: int) -> tuple[float, float]:
    """For any aggregate, from copies of the resampled statistics."""
    from scipy.stats import DegenerateDataWarning, bootstrap

    with warnings.catch_warnings():
        # Resamples without a value give no interval, as the table shows.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        interval = bootstrap(
            (np.arange(len(scores.statistics)),),
            lambda rows, axis: scores.aggregate(scores.statistics[rows]),
            n_resamples=RESAMPLES,
            method="percentile",
            vectorized=True,
            batch=BATCH,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(interval.low), float(interval.high)
