"""Resamples of the bootstrap over samples (Efron 1979), as counts.

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
BLOCK = 200
"""Resamples that are drawn at once."""
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


@functools.lru_cache(maxsize=1)
def _kept(n: int, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(_counts(n, seed))


def _counts(n: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of n samples is in each resample, in blocks float64 [BLOCK, n]."""
    rng, rows = np.random.default_rng(seed), np.arange(BLOCK)[:, None]
    for _ in range(RESAMPLES // BLOCK):
        drawn = rng.integers(0, n, (BLOCK, n)) + n * rows
        yield np.bincount(drawn.ravel(), minlength=BLOCK * n).reshape(BLOCK, n).astype(np.float64)
