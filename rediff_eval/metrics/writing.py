"""How captions were written: in which order, how surely, and how rightly.

    calibration = sum over bins b of |sum of confidence in b - right words in b| / written words

the expected calibration error (Naeini 2015) over words at the moment of writing, in `BINS` bins: a
word that is written at p should be right with probability p. A word is right if the oracle's
nearest true caption has it there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.captioning.writing import BINS
from rediff_eval.metrics.aggregates import OfSums
from rediff_eval.metrics.base import (
    AlwaysAvailable,
    MetricInfo,
    Scored,
    Scores,
    ratios,
    register_metric,
)


@register_metric(
    "writing",
    infos=[
        MetricInfo("commits_per_pass", label="words a pass", digits=2),
        MetricInfo("order", label="left to right", digits=2),
        MetricInfo("certainty", label="certainty of words"),
        MetricInfo("right_when_written", label="right when written"),
        MetricInfo("calibration", label="calibration error", lower_is_better=True),
        MetricInfo("mended", label="wrong words mended"),
        MetricInfo("mended_unsure", label="wrong unsure words mended"),
        MetricInfo("mended_sure", label="wrong sure words mended"),
    ],
)
class WritingMetric(AlwaysAvailable):
    """`order`: rank correlation of reading order and order of writing, its mean over captions.

    `commits_per_pass`: words written / forward passes. `certainty`: their mean confidence;
    `right_when_written`: the share of them that is right then; `calibration`: see above. `mended`:
    the share of words written wrong that is right in the end; `mended_unsure` and `mended_sure`:
    the same of those written with less and with more confidence than 1/2. Left out for models whose
    denoising steps are not seen.
    """

    scorer = "writing"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        """See `Metric.score`."""
        rows = [answer.writing for answer in answers if answer.writing is not None]
        if len(rows) < len(answers):
            return Scored({})
        written = _counts([row.written for row in rows])
        confidence = _counts([row.confidence for row in rows])
        words = written.sum(axis=1)
        shares = {"certainty": (confidence.sum(axis=1), words)}
        passes = [answer.nfe for answer in answers]
        if None not in passes:
            shares["commits_per_pass"] = (words, _counts(passes))
        scores = {}
        if words.any() and all(row.right is not None for row in rows):
            right = _counts([row.right for row in rows])
            mended = _counts([row.mended for row in rows])
            shares |= _held_to_truth(written, right, mended)
            parts = np.concatenate([written, confidence, right], axis=1)
            scores["calibration"] = Scores(parts, _error(parts), OfSums(_error))
        scores |= ratios({name: (a.tolist(), b.tolist()) for name, (a, b) in shares.items()})
        if known := [row.order for row in rows if row.order is not None]:
            places = [i for i, row in enumerate(rows) if row.order is not None]
            scores["order"] = Scores.of(known).among(places, len(rows))
        return Scored(scores)


def _held_to_truth(
    written: np.ndarray, right: np.ndarray, mended: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The shares that need the truth, as parts and wholes of each caption; counts are [n, BINS]."""
    wrong, half = written - right, BINS // 2
    return {
        "right_when_written": (right.sum(axis=1), written.sum(axis=1)),
        "mended": (mended.sum(axis=1), wrong.sum(axis=1)),
        "mended_unsure": (mended[:, :half].sum(axis=1), wrong[:, :half].sum(axis=1)),
        "mended_sure": (mended[:, half:].sum(axis=1), wrong[:, half:].sum(axis=1)),
    }


def _error(sums: np.ndarray) -> np.ndarray:
    """The expected calibration error of [..., 3 BINS]: written, confidence and right words."""
    written, confidence, right = np.split(sums, 3, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(confidence - right).sum(axis=-1) / written.sum(axis=-1)


def _counts(values: Sequence[object]) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)
