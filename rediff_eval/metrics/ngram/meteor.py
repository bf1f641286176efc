"""METEOR's score from its counts, so that it can be resampled without Java."""

from __future__ import annotations

import numpy as np

ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
"""Of exact, stem, synonym and paraphrase matches."""


def corpus_meteor(counts: np.ndarray) -> np.ndarray:
    """METEOR 1.5 for English from the sums of counts over samples [..., n, 23].

    The counts of `-stdio`: length of candidate and reference, function words of either; for each of
    the four kinds of match the content words matched in candidate and reference, then the function
    words; chunks; matched words of either. Denkowski and Lavie 2014, section 2.
    """
    total = counts.sum(axis=-2)
    lengths, function_words = total[..., 0:2], total[..., 2:4]
    matches = np.moveaxis(total[..., 4:20].reshape(*total.shape[:-1], 4, 4), -2, -1)
    content, function = matches[..., 0:2, :] @ WEIGHTS, matches[..., 2:4, :] @ WEIGHTS
    weighted = DELTA * (lengths - function_words) + (1 - DELTA) * function_words
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = np.moveaxis(
            np.nan_to_num((DELTA * content + (1 - DELTA) * function) / weighted), -1, 0
        )
        mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
        chunks = _chunks(counts).sum(axis=-1)
        penalty = GAMMA * (chunks / total[..., 21:23].mean(axis=-1)) ** BETA
    return np.nan_to_num(mean * (1 - penalty))


def _chunks(counts: np.ndarray) -> np.ndarray:
    """Chunks of each sample, [..., n]; none where all of both texts is one chunk."""
    whole = (counts[..., 20] == 1) & (counts[..., 21:23] == counts[..., 0:2]).all(axis=-1)
    return np.where(whole, 0.0, counts[..., 20])
