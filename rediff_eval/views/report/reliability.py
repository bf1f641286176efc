"""Whether words are right as often as the model was sure of them: a reliability diagram's points.

    share right in bin b = sum over captions of its right words in b / sum of its written words in b

against the mean confidence in b (Niculescu-Mizil & Caruana 2005); the metric `calibration` is the
mean distance from the diagonal. Words of one caption hang together, so the interval is that of a
ratio of sums over captions (Cochran 1977, chapter 6), by normal approximation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rediff_eval.captioning.writing import BINS
from rediff_eval.views.report.svg import Point

NORMAL_95 = 1.96
LEAST = 0.002
"""A bin with a smaller share of the words is not drawn: it says little and hides others."""


class Reliability:
    """Sums over the captions of one condition, of each bin of the confidence: they do not grow with
    the captions."""

    def __init__(self) -> None:
        self.written, self.confidence, self.right = np.zeros((3, BINS))
        self._squares = np.zeros((3, BINS))

    def add(self, writing: Mapping[str, Any]) -> None:
        """Counts a caption's `Writing`, as a record; one whose truth is not known is left out."""
        if writing.get("right") is None:
            return
        written, right = np.asarray([writing["written"], writing["right"]], dtype=np.float64)
        self.written += written
        self.right += right
        self.confidence += np.asarray(writing["confidence"])
        self._squares += (right * right, right * written, written * written)

    def points(self) -> list[Point]:
        """The mean confidence and the share right of each bin, with its 95% interval."""
        found = []
        for b in np.flatnonzero(self.written > LEAST * self.written.sum()):
            written, right = self.written[b], self.right[b]
            share = right / written
            rr, rw, ww = self._squares[:, b]
            spread = NORMAL_95 * np.sqrt(max(0, rr - 2 * share * rw + share**2 * ww)) / written
            low, high = np.clip((share - spread, share + spread), 0, 1)
            found.append(
                Point(float(self.confidence[b] / written), float(share), float(low), float(high))
            )
        return found
