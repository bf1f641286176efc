"""When and how confidently the words of a caption were written, and how revision changed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rediff.decoding.trace import Trace

BINS = 10
"""Bins of the confidence with which a word was written; the last one holds 1."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Counts of one caption.

    A word is written where a mask becomes it, again after it was masked again; eos and other
    special tokens do not count. `order`: the rank correlation (Spearman's) of positions and the
    steps in which they were last written, over the words of the caption, 1 for left to right; None
    where all were written at once. By bins of the confidence: `written` words, the sum of their
    `confidence`, and where the truth is known how many were `right` when they were written, and how
    many of the others were `mended`, right in the end.
    """

    order: float | None
    written: list[int]
    confidence: list[float]
    right: list[int] | None = None
    mended: list[int] | None = None


def count_writing(trace: Trace, truth: Sequence[str] | None) -> Writing:
    """Counts over a trace.

    Args:
        trace: of one caption, S steps of R positions, with its words.
        truth: the R right words; None where none are known.
    """
    end = end_of(trace.words[-1])
    last: dict[int, int] = {}
    written, right, mended = [0] * BINS, [0] * BINS, [0] * BINS
    confidence = [0.0] * BINS
    for step, place in trace.unmasked.nonzero().tolist():
        word = trace.words[step][place]
        if word.startswith("<|"):
            continue
        certainty = float(trace.confidence[step, place])
        number = min(BINS - 1, int(BINS * certainty))
        last[place] = step
        written[number] += 1
        confidence[number] += certainty
        if truth is not None:
            right[number] += word == truth[place]
            mended[number] += word != truth[place] == trace.words[-1][place]
    places = sorted(place for place in last if place < end)
    order = rank_correlation(places, [last[place] for place in places])
    rounded = [round(total, 4) for total in confidence]
    if truth is None:
        return Writing(order, written, rounded)
    return Writing(order, written, rounded, right, mended)


def end_of(words: Sequence[str]) -> int:
    """Where the words of a canvas end: at the first special token, or after the last word."""
    return next((i for i, word in enumerate(words) if word.startswith("<|")), len(words))


def rank_correlation(one: Sequence[float], two: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where all of one are equal.

    Args:
        one: n numbers.
        two: n numbers.

    Examples:
        >>> rank_correlation([1, 2, 3], [10, 20, 20])
        0.866
    """
    from scipy.stats import rankdata

    if len({*one}) < 2 or len({*two}) < 2:
        return None
    return round(float(np.corrcoef(rankdata(one), rankdata(two))[0, 1]), 4)
