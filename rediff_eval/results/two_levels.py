"""Differences of trainings that were each measured on the same samples: seeds and scenes.

A mean over k trainings and n samples varies by both. With d the differences [k, n] of two crossed
random effects,

    A = var(means of trainings) / k,  E = var(residuals) / (k n)
    S = max(0, var(means of samples) / n - E)

estimate the parts of trainings (with the residuals) and samples in the variance of the mean. The
interval is the mean -+ sqrt(t(k - 1)^2 A + t(n - 1)^2 S), t Student's quantiles: exact where one of
the two is all (Graybill and Wang 1980). A bootstrap that draws trainings and samples has the
variance of trainings times (k - 1) / k and nearly the tails of a normal, which is too narrow for
the three to five trainings that one has (`tests/eval/test_compare.py` has it beside this one).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rediff_eval.results.paired import LEVEL, POWER, Difference

_LEAST = 1e-100
"""Levels below it count as none."""


def two_level(one: np.ndarray, two: np.ndarray, *, by_training: bool) -> Difference:
    """The mean of one - two.

    Args:
        one: values of k trainings on n samples, float64 [k, n].
        two: of l trainings on the same samples, float64 [l, n].
        by_training: whether trainings are pairs in their order (of one seed, say, or of one
            base), so that k = l and the shared part of a pair cancels.

    Raises:
        ValueError: for fewer than two samples, or than two trainings of each: how much a
            single one owes to its seed is not known.
    """
    if one.shape[1] < 2 or min(len(one), len(two)) < 2:
        raise ValueError("two levels need two samples and two trainings of each at least")
    parts = [_trainings(group) for group in ([one - two] if by_training else [one, two])]
    of_samples = one.mean(axis=0) - two.mean(axis=0)
    n = len(of_samples)
    residual = sum(part.residual for part in parts)
    spread = _Spread(
        trainings=tuple((part.variance, part.freedom) for part in parts),
        samples=max(0.0, float(of_samples.var(ddof=1)) / n - residual),
        freedom=n - 1,
    )
    difference, half = float(of_samples.mean()), spread.half(LEVEL)
    return Difference(
        difference=difference,
        low=difference - half,
        high=difference + half,
        p=spread.level(abs(difference)),
        detectable=half + spread.half(2 * (1 - POWER)),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Of a group of trainings: A, E, and the degrees of freedom of A."""

    variance: float
    residual: float
    freedom: int


def _trainings(values: np.ndarray) -> _Part:
    k, n = values.shape
    means = values.mean(axis=1)
    rest = values - means[:, None] - values.mean(axis=0) + values.mean()
    residual = float((rest**2).sum()) / ((k - 1) * (n - 1)) / (k * n)
    return _Part(float(means.var(ddof=1)) / k, residual, k - 1)


@dataclass(frozen=True, slots=True)
class _Spread:
    """The parts of trainings and samples in the variance of a mean, with their degrees of
    freedom."""

    trainings: tuple[tuple[float, int], ...]
    samples: float
    freedom: int

    def half(self, level: float) -> float:
        """Half the width of the interval that misses the truth with this probability."""
        from scipy.stats import t

        parts = (*self.trainings, (self.samples, self.freedom))
        square = sum(variance * t.isf(level / 2, freedom) ** 2 for variance, freedom in parts)
        return float(square**0.5)

    def level(self, half: float) -> float:
        """The level whose interval is that wide: the p of a mean that far from none."""
        from scipy.optimize import brentq

        if half == 0:
            return 1.0
        if self.half(_LEAST) <= half:
            return 0.0
        return float(np.exp(brentq(lambda log: self.half(np.exp(log)) - half, np.log(_LEAST), 0.0)))
