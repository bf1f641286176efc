"""Whether words are right as often as the model was sure of them: a reliability diagram's points.

    share right in bin b = sum over captions of its right words in b / sum of its written words in b

against the mean confidence in b (Niculescu-Mizil & Caruana 2005); the metric `calibration` is the
mean distance from the diagonal. And which mistakes are mended: the same with the words that are
right in the end, over those that were written wrong. Words of one caption hang together, so the
interval is that of a ratio of sums over captions (Cochran 1977, chapter 6), by normal
approximation.
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


class Shares:
    """The share of one number in another, of each bin of the confidence, over captions."""

    def __init__(self) -> None:
        self._part, self._whole = np.zeros((2, BINS))
        self._squares = np.zeros((3, BINS))

    def add(self, part: np.ndarray, whole: np.ndarray) -> None:
        """Counts a caption."""
        self._part += part
        self._whole += whole
        self._squares += (part * part, part * whole, whole * whole)

    def points(self, at: np.ndarray) -> list[Point]:
        """Each bin's share with its 95% interval. `at`: where it is drawn, [BINS]."""
        found = []
        for b in np.flatnonzero(self._whole > LEAST * self._whole.sum()):
            whole = self._whole[b]
            share = self._part[b] / whole
            pp, pw, ww = self._squares[:, b]
            spread = NORMAL_95 * np.sqrt(max(0, pp - 2 * share * pw + share**2 * ww)) / whole
            low, high = np.clip((share - spread, share + spread), 0, 1)
            found.append(Point(float(at[b]), float(share), float(low), float(high)))
        return found


class Reliability:
    """Sums over the captions of one condition, of each bin of the confidence: they do not grow with
    the captions."""

    def __init__(self) -> None:
        self._written, self._confidence = np.zeros((2, BINS))
        self._right, self._mended = Shares(), Shares()

    def add(self, writing: Mapping[str, Any]) -> None:
        """Counts a caption's `Writing`, as a record; one whose truth is not known is left out."""
        if writing.get("right") is None:
            return
        written, right, mended, confidence = (
            np.asarray(writing[name], dtype=np.float64)
            for name in ("written", "right", "mended", "confidence")
        )
        self._written += written
        self._confidence += confidence
        self._right.add(right, written)
        self._mended.add(mended, written - right)

    def right(self) -> list[Point]:
        """The share of words that is right when they are written, at each bin's mean confidence."""
        return self._right.points(self._certainty())

    def mended(self) -> list[Point]:
        """The share of the words written wrong that is right in the end; none where no word is."""
        found = self._mended.points(self._certainty())
        return found if any(point.y for point in found) else []

    def _certainty(self) -> np.ndarray:
        """The mean confidence of each bin."""
        return self._confidence / np.maximum(self._written, 1)
