"""Percentile bootstrap over samples (Efron 1979), by counts.

Samples are drawn n of n with replacement `RESAMPLES` times. A sum over a resample is the product of
the counts with the samples' values, so that many metrics of as many samples share one draw.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

RESAMPLES = 2000
TAILS = (2.5, 97.5)
"""The percentiles that a 95% interval goes between."""
BLOCK = 2**22
"""Counts that are drawn at once."""
KEPT = 2**24
"""Counts that are kept for the next metric: 128 MB."""


def resample_sums(values: np.ndarray, *, seed: int) -> np.ndarray:
    """The sums over each resample, float64 [RESAMPLES, k].

    Args:
        values: of n samples, float64 [n, k], finite.
        seed: of the draws; the same n and seed draw the same.
    """
    n = len(values)
    blocks = _kept(n, seed) if n * RESAMPLES <= KEPT else _counts(n, seed)
    return np.concatenate([block @ values for block in blocks])


def resample_means(values: np.ndarray, *, seed: int) -> np.ndarray:
    """The mean over each resample, float64 [RESAMPLES].

    Args:
        values: of n samples, float64 [n], finite.
        seed: see `resample_sums`.
    """
    return resample_sums(values[:, None], seed=seed)[:, 0] / len(values)


def interval_of(resampled: np.ndarray) -> tuple[float, float]:
    """The 95% interval of a statistic, nan where a resample has no value.

    Args:
        resampled: its value in each resample.
    """
    low, high = np.percentile(resampled, TAILS)
    return float(low), float(high)


@functools.lru_cache(maxsize=2)
def _kept(n: int, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(_counts(n, seed))


def _counts(n: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of n samples is in each resample, in blocks float64 [b, n]."""
    rng, size = np.random.default_rng(seed), max(1, BLOCK // n)
    for start in range(0, RESAMPLES, size):
        rows = min(size, RESAMPLES - start)
        drawn = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
