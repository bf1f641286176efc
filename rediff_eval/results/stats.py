"""95% intervals by the percentile bootstrap over samples (Efron 1979).

Samples are drawn n of n with replacement `RESAMPLES` times, the aggregate is computed of each
resample, and the interval goes from the 2.5th to the 97.5th percentile of these values.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rediff_eval.metrics.base import Scores


RESAMPLES = 2000


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
    from scipy.stats import DegenerateDataWarning, bootstrap

    n = len(scores.statistics)
    value = float(scores.aggregate(scores.statistics))
    if n < 2:
        return Estimate(value, None, None, n)
    with warnings.catch_warnings():
        # Resamples without a value give no interval, as the table shows.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        result = bootstrap(
            (np.arange(n),),
            lambda rows, axis: scores.aggregate(scores.statistics[rows]),
            n_resamples=RESAMPLES,
            method="percentile",
            vectorized=True,
            batch=200,
            rng=np.random.default_rng(seed),
        )
    low, high = map(float, result.confidence_interval)
    known = np.isfinite([low, high]).all()
    return Estimate(value, low if known else None, high if known else None, n)
