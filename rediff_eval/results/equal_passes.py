"""A sampler's quality between its budgets, so that conditions compare at as many passes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NEARLY = 1.05
"""Passes count as equal up to this factor."""


def at_passes(curve: Mapping[float, np.ndarray], passes: float) -> np.ndarray:
    """The values [..., n] of samples at some mean passes.

    Args:
        curve: of one condition, its values [..., n] by the mean passes of its budgets.
        passes: where to read.

    Returns:
        Those of a budget with as many passes, up to the factor `NEARLY`; else between the two
        nearest linearly in log2(passes), beyond them those of the nearest.

    Examples:
        >>> curve = {8.0: np.array([0.5]), 32.0: np.array([0.9])}
        >>> at_passes(curve, 16.0), at_passes(curve, 31.0), at_passes(curve, 40.0)
        (array([0.7]), array([0.9]), array([0.9]))
    """
    known = sorted(curve)
    nearest = min(known, key=lambda p: abs(np.log2(p / passes)))
    if max(nearest, passes) <= NEARLY * min(nearest, passes):
        return curve[nearest]
    at = np.clip(passes, known[0], known[-1])
    above = next(p for p in known if p >= at)
    below = max(p for p in known if p <= at)
    if above == below:
        return curve[above]
    share = np.log2(at / below) / np.log2(above / below)
    return np.asarray((1 - share) * curve[below] + share * curve[above])
