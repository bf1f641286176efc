"""Scores of captions whose tokens are given, as strings with single spaces."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from rediff_eval.metrics.aggregates import OfSums
from rediff_eval.metrics.base import MetricInfo, Scores
from rediff_eval.metrics.ngram.bleu import BleuReferences, corpus_bleu
from rediff_eval.metrics.ngram.cider import CiderReferences
from rediff_eval.metrics.ngram.counting import ORDER, count_ngrams
from rediff_eval.metrics.ngram.rouge import rouge_l

INFOS = (
    MetricInfo("bleu4", label="BLEU-4"),
    MetricInfo("meteor", label="METEOR"),
    MetricInfo("rouge_l", label="ROUGE-L"),
    MetricInfo("cider", label="CIDEr"),
    *(MetricInfo(f"bleu{order}", part=True) for order in range(1, ORDER)),
)


def score_tokens(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> Mapping[str, Scores]:
    """`bleu1` to `bleu4` (corpus sums, closest reference length), `rouge_l`, `cider`.

    CIDEr weighs n-grams by the references of this very run, so runs on other samples are not
    comparable, and a single sample has 0.
    """
    for_bleu, for_cider = _prepare(tuple(map(tuple, references)))
    counts = list(map(count_ngrams, candidates))
    statistics = for_bleu.compare(counts)
    return {
        **{f"bleu{order}": _bleu(statistics, order) for order in range(1, ORDER + 1)},
        "rouge_l": Scores.of(list(map(rouge_l, candidates, references))),
        "cider": Scores.of(for_cider.score(counts)),
    }


@functools.lru_cache(maxsize=1)
def _prepare(references: tuple[tuple[str, ...], ...]) -> tuple[BleuReferences, CiderReferences]:
    """Kept, since all conditions of a run have the same, and they are most of the work."""
    counts = [list(map(count_ngrams, some)) for some in references]
    return BleuReferences(counts), CiderReferences(counts)


def _bleu(statistics: np.ndarray, order: int) -> Scores:
    aggregate = OfSums(functools.partial(corpus_bleu, order=order))
    return Scores(statistics, aggregate(statistics[:, None]), aggregate)
