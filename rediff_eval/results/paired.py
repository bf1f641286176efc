"""Statistics of two conditions that were measured on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rediff_eval.results.resamples import interval_of, resample_means

EXCHANGES = 9999
LEVEL, POWER = 0.05, 0.8
STARS = "* p < 0.05, ** p < 0.01, *** p < 0.001 after Holm's correction for this table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A mean difference between `low` and `high` with 95% confidence; `p` is two-sided.

    `detectable`: the smallest true difference that a test at level 0.05 on as many samples (and
    trainings) would find with probability 0.8.
    """

    difference: float
    low: float
    high: float
    p: float
    detectable: float


def one_level(one: np.ndarray, two: np.ndarray, seed: int) -> Difference:
    """The mean of one - two: its bootstrap interval and p by random exchange within samples.

    Args:
        one: values [n].
        two: values [n] of the same samples.
        seed: of the resamples and exchanges.
    """
    difference = one - two
    low, high = mean_interval(difference, seed)
    return Difference(
        difference=float(difference.mean()),
        low=low,
        high=high,
        p=paired_p(one, two, seed=seed),
        detectable=detectable(difference),
    )


def mean_interval(difference: np.ndarray, seed: int) -> tuple[float, float]:
    """A 95% interval of the mean, by the bootstrap over samples.

    Args:
        difference: of each sample, float64 [n].
        seed: of the resamples.
    """
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    return interval_of(resample_means(difference, seed=seed))


def paired_p(one: np.ndarray, two: np.ndarray, *, seed: int = 0) -> float:
    """The two-sided p of equal means of paired values; 1 where all pairs are equal.

    Args:
        one: values [n].
        two: values [n] of the same samples.
        seed: of the random exchanges.
    """
    if np.array_equal(one, two):
        return 1.0
    from scipy.stats import permutation_test

    result = permutation_test(
        (one, two),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=EXCHANGES,
        vectorized=True,
        batch=500,
        rng=np.random.default_rng(seed),
    )
    return float(min(1.0, result.pvalue))


def is_tied(one: Mapping[str, float], two: Mapping[str, float]) -> bool:
    """Whether a paired test does not tell two conditions from each other.

    Args:
        one: values by sample.
        two: of another condition; samples that only one of them has are left out.
    """
    shared = [sample for sample in one if sample in two]
    if len(shared) < 2:
        return False
    a, b = (np.array([values[sample] for sample in shared]) for values in (one, two))
    return paired_p(a, b) >= LEVEL


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction: the p values of tests made together, in the order given."""
    order = np.argsort(ps, kind="stable")
    factors = np.arange(len(ps), 0, -1)
    raised = np.maximum.accumulate(np.asarray(ps)[order] * factors).clip(max=1.0)
    corrected = np.empty(len(ps))
    corrected[order] = raised
    return [float(p) for p in corrected]


def stars(p: float) -> str:
    """The stars of a p value, which `STARS` explains."""
    return "*" * sum(p < level for level in (0.05, 0.01, 0.001))


def detectable(difference: np.ndarray) -> float:
    """(z(1 - level / 2) + z(power)) s / sqrt(n) of paired differences [n]."""
    from scipy.stats import norm

    z = norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER)
    return float(z * difference.std(ddof=1) / np.sqrt(len(difference)))
