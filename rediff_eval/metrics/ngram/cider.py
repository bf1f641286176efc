"""CIDEr-D (Vedantam et al. 2015, arXiv 1411.5726), as pycocoevalcap computes it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from rediff_eval.metrics.ngram.counting import ORDER, Ngram, count_of

SIGMA = 6.0
"""Of the Gaussian penalty on a difference in length."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text's n-grams, each with its count times its inverse document frequency; the norms of
    these by n; and how many pairs of words it has, which stands for its length."""

    weights: Mapping[Ngram, float]
    norms: Sequence[float]
    pairs: int


class CiderReferences:
    """The references of all samples, counted and weighed."""

    def __init__(self, references: Sequence[Sequence[Counter[Ngram]]]) -> None:
        seen: Counter[Ngram] = Counter()
        for some in references:
            seen.update(set(chain.from_iterable(some)))
        self._documents = math.log(len(references)) if references else 0.0
        self._frequency = {ngram: math.log(number) for ngram, number in seen.items()}
        self._references = [[self._weigh(own) for own in some] for some in references]

    def score(self, candidates: Sequence[Counter[Ngram]]) -> list[float]:
        """CIDEr of each sample's candidate, from 0 to 10."""
        return [
            10 * sum(_similarity(text, own) for own in some) / len(some)
            for text, some in zip(map(self._weigh, candidates), self._references, strict=True)
        ]

    def _weigh(self, counts: Mapping[Ngram, int]) -> _Text:
        weights, squares = {}, [0.0] * ORDER
        for ngram, count in counts.items():
            weight = count * (self._documents - self._frequency.get(ngram, 0.0))
            weights[ngram] = weight
            squares[len(ngram) - 1] += weight**2
        return _Text(weights, [math.sqrt(square) for square in squares], count_of(counts, 2))


def _similarity(text: _Text, reference: _Text) -> float:
    """The mean over n of the cosine of two texts, clipped, with the penalty on their lengths."""
    shared = [0.0] * ORDER
    for ngram, weight in text.weights.items():
        other = reference.weights.get(ngram)
        if other is not None:
            shared[len(ngram) - 1] += min(weight, other) * other
    cosines = (
        value / (own * other) if own and other else value
        for value, own, other in zip(shared, text.norms, reference.norms, strict=True)
    )
    penalty = math.exp(-((text.pairs - reference.pairs) ** 2) / (2 * SIGMA**2))
    return penalty * sum(cosines) / ORDER
