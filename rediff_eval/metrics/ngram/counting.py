"""The n-grams that BLEU and CIDEr count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

Ngram = tuple[str, ...]
ORDER = 4


def count_ngrams(text: str) -> Counter[Ngram]:
    """The n-grams of 1 to `ORDER` words of a text, words being parted by spaces."""
    words = text.split()
    return Counter(
        tuple(words[start : start + n])
        for n in range(1, ORDER + 1)
        for start in range(len(words) - n + 1)
    )


def count_of(counts: Mapping[Ngram, int], n: int) -> int:
    """How many n-grams of `n` words a text has, given how often it has each."""
    return sum(count for ngram, count in counts.items() if len(ngram) == n)
