"""Intervals that hold for several means at once.

The maximal statistic of a bootstrap over samples (Romano and Wolf 2005): in each resample the
largest |mean* - mean| / se over all columns is taken, and its 95th percentile q gives the intervals
mean ± q se. They hold together with a probability of about 95%, however the columns depend on each
other.
"""

from __future__ import annotations

import numpy as np

from rediff_eval.results.resamples import resample_sums

LEVEL = 0.95


def simultaneous_halves(values: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Half the width of each interval, float64 [k].

    Args:
        values: of n samples (rows) in k conditions, float64 [n, k].
        seed: of the bootstrap.

    Returns:
        Zeros for a column whose values are all the same.
    """
    n = len(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(values.shape[1])
    varied = error > 0
    if not varied.any():
        return error
    deviations = (values - values.mean(axis=0))[:, varied]
    moved = np.abs(resample_sums(deviations, seed=seed)) / n
    largest = (moved / error[varied]).max(axis=1)
    return np.asarray(error * np.quantile(largest, LEVEL))
