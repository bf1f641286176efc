"""ROUGE-L: how much of a caption and of its references is said by both in the same order."""

from __future__ import annotations

from collections.abc import Sequence

BETA = 1.2
"""How much recall weighs against precision, as in the COCO caption evaluation."""


def rouge_l(candidate: str, references: Sequence[str]) -> float:
    """The value of pycocoevalcap's `Rouge.calc_score`, without its table of every pair of words.

    F-measure of the best precision and the best recall over the references, each the longest common
    subsequence relative to the words of one side (Lin 2004, equations 2 to 4).

    Args:
        candidate: words between single spaces.
        references: at least one, likewise.
    """
    said = candidate.split(" ")
    common = [
        (common_words(said, words), len(words)) for words in (r.split(" ") for r in references)
    ]
    precision = max(count / len(said) for count, _ in common)
    recall = max(count / length for count, length in common)
    if precision == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_words(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, by one whole number for a row of the usual table.

    A bit is 0 where the table grows by one from column to column (Hyyrö, "Bit-parallel
    LCS-length computation revisited", 2004).

    Args:
        first: words.
        second: words.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    everywhere = (1 << len(first)) - 1
    row = everywhere
    for word in second:
        met = row & places.get(word, 0)
        row = (row + met | row - met) & everywhere
    return len(first) - row.bit_count()
