"""Scores of captions whose tokens are given, as strings with single spaces."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer

from rediff_eval.metrics.base import MetricInfo, Scores
from rediff_eval.metrics.ngram.rouge import rouge_l

ORDER = 4
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
    cider = CiderScorer(n=ORDER, sigma=6.0)
    for candidate, some in zip(candidates, references, strict=True):
        cider += (candidate, list(some))
    return {
        **_bleu(candidates, references),
        "rouge_l": Scores.of(list(map(rouge_l, candidates, references))),
        "cider": Scores.of(cider.compute_score()[1]),
    }


def _bleu(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Scores]:
    scorer = BleuScorer(n=ORDER)
    for candidate, some in zip(candidates, references, strict=True):
        scorer += (candidate, list(some))
    _, per_sample = scorer.compute_score(option="closest", verbose=0)
    statistics = np.asarray(
        [
            [*part["correct"], *part["guess"], part["testlen"], _closest(part)]
            for part in scorer.ctest
        ],
        np.float64,
    )
    return {
        f"bleu{order}": Scores(
            statistics,
            np.asarray(per_sample[order - 1]),
            functools.partial(corpus_bleu, order=order),
        )
        for order in range(1, ORDER + 1)
    }


def _closest(part: Mapping[str, Sequence[int]]) -> int:
    written: int = part["testlen"]  # type: ignore[assignment]
    return min(part["reflen"], key=lambda length: (abs(length - written), length))


def corpus_bleu(statistics: np.ndarray, *, order: int = ORDER) -> np.ndarray:
    """BLEU from the sums of matches, guesses and lengths over samples [..., n, 10].

    The same smoothing as pycocoevalcap's, so that the value is the same.
    """
    total = statistics.sum(axis=-2)
    correct, guess = total[..., :order], total[..., ORDER : ORDER + order]
    bleu = np.prod((correct + 1e-15) / (guess + 1e-9), axis=-1) ** (1 / order)
    ratio = (total[..., -2] + 1e-15) / (total[..., -1] + 1e-9)
    return bleu * np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
