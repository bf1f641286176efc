"""BLEU (Papineni et al. 2002) of a corpus, as pycocoevalcap computes it: by the closest length."""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rediff_eval.metrics.ngram.counting import ORDER, Ngram, count_of


class BleuReferences:
    """The references of all samples, counted: lengths, and of each n-gram the most in any of a
    sample's."""

    def __init__(self, references: Sequence[Sequence[Counter[Ngram]]]) -> None:
        self._lengths = [[count_of(counts, 1) for counts in some] for some in references]
        self._most = [functools.reduce(operator.or_, some) for some in references]

    def compare(self, candidates: Sequence[Counter[Ngram]]) -> np.ndarray:
        """The terms whose sums `corpus_bleu` takes, float64 [n, 10]: of each sample the n-grams its
        references have, those that there are, its length, and that of the closest reference."""
        rows = []
        for candidate, most, lengths in zip(candidates, self._most, self._lengths, strict=True):
            length, correct = count_of(candidate, 1), [0] * ORDER
            for ngram, count in candidate.items():
                correct[len(ngram) - 1] += min(count, most[ngram])
            guess = [max(0, length - n) for n in range(ORDER)]
            closest = min(lengths, key=lambda own: (abs(own - length), own))
            rows.append([*correct, *guess, length, closest])
        return np.asarray(rows, np.float64).reshape(-1, 2 * ORDER + 2)


def corpus_bleu(total: np.ndarray, *, order: int = ORDER) -> np.ndarray:
    """BLEU from the sums over all samples of the terms of `BleuReferences.compare`, [..., 10].

    The same smoothing as pycocoevalcap's, so that the value is the same.
    """
    correct, guess = total[..., :order], total[..., ORDER : ORDER + order]
    bleu = np.prod((correct + 1e-15) / (guess + 1e-9), axis=-1) ** (1 / order)
    ratio = (total[..., -2] + 1e-15) / (total[..., -1] + 1e-9)
    return bleu * np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
