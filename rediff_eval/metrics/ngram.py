"""BLEU-4, ROUGE-L and CIDEr by pycocoevalcap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge

from rediff.scenes.reader import tokenize
from rediff_eval.answers import Answer
from rediff_eval.metrics.base import Scores
from rediff_eval.samples import Sample

ORDER = 4


class NgramMetric:
    """`bleu4` (corpus sums, closest reference length), `rouge_l`, `cider`.

    Words are lower-cased and punctuation is dropped here, so no Java is needed; the numbers are
    not those of the Java tokenizer. CIDEr weighs n-grams by the references of this very run, so
    runs on other samples are not comparable.
    """

    def applies(self, samples: Sequence[Sample]) -> str | None:
        return None if all(s.references for s in samples) else "needs references"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Mapping[str, Scores]:
        references = [[_words(r) for r in sample.references] for sample in samples]
        candidates = [_words(answer.text) for answer in answers]
        rouge = Rouge()
        cider = CiderScorer(n=ORDER, sigma=6.0)
        for candidate, refs in zip(candidates, references, strict=True):
            cider += (candidate, refs)
        return {
            "bleu4": _bleu(candidates, references),
            "rouge_l": Scores.of(
                [
                    rouge.calc_score([candidate], refs)
                    for candidate, refs in zip(candidates, references, strict=True)
                ]
            ),
            "cider": Scores.of(cider.compute_score()[1]),
        }


def _words(text: str) -> str:
    return " ".join(word for word in tokenize(text) if word.isalnum())


def _bleu(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Scores:
    scorer = BleuScorer(n=ORDER)
    for candidate, refs in zip(candidates, references, strict=True):
        scorer += (candidate, list(refs))
    _, per_sample = scorer.compute_score(option="closest", verbose=0)
    statistics = [
        [*part["correct"], *part["guess"], part["testlen"], min(
            part["reflen"], key=lambda length: (abs(length - part["testlen"]), length)
        )]
        for part in scorer.ctest
    ]  # fmt: skip
    return Scores(np.asarray(statistics, np.float64), np.asarray(per_sample[-1]), corpus_bleu)


def corpus_bleu(statistics: np.ndarray) -> np.ndarray:
    """BLEU-4 from the sums of matches, guesses and lengths over samples [..., n, 10].

    The same smoothing as pycocoevalcap's, so that the value is the same.
    """
    total = statistics.sum(axis=-2)
    correct, guess = total[..., :ORDER], total[..., ORDER : 2 * ORDER]
    bleu = np.prod((correct + 1e-15) / (guess + 1e-9), axis=-1) ** (1 / ORDER)
    ratio = (total[..., -2] + 1e-15) / (total[..., -1] + 1e-9)
    return bleu * np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
