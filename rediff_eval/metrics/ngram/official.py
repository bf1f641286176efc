"""BLEU, METEOR, ROUGE-L and CIDEr by pycocoevalcap, with Java.

Sources: Papineni et al. 2002, Banerjee and Lavie 2005, Lin 2004, Vedantam et al. 2015. BLEU and
METEOR are values of the whole corpus, ROUGE-L and CIDEr means over captions.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np

from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import Scored, Scores, needs_references, register_metric
from rediff_eval.metrics.ngram.corpus import INFOS, score_tokens
from rediff_eval.metrics.ngram.meteor import corpus_meteor
from rediff_eval.metrics.resources import Resources

LINE_ENDS = "\r\v\f\u2028\u2029"
"""The characters that end a line for Java beside the line feed."""


@register_metric("ngram", infos=INFOS)
class NgramMetric:
    """`bleu1` to `bleu4`, `meteor`, `rouge_l`, `cider`, by pycocoevalcap's tokenizer and METEOR.

    `corrected`: characters that end a line for Java are turned into spaces first. `official`: they
    are not, so such a caption loses its tail and all later ones get their neighbour's text.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @property
    def scorer(self) -> str:
        return f"ngram {self.resources.preset}"

    def unavailable(self) -> str | None:
        return None if shutil.which("java") else "needs Java"

    def lacks(self, sample: Sample) -> str | None:
        return needs_references(sample)

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        """Raises JavaError if Java fails or takes longer than it may."""
        repair = one_line if self.resources.preset == "corrected" else str
        found = self.resources.java.score(
            [repair(answer.text) for answer in answers],
            [[repair(text) for text in sample.references] for sample in samples],
            seconds=self.resources.config.metric_seconds,
        )
        meteor = Scores(np.array(found.counts), np.array(found.scores), corpus_meteor)
        return Scored({**score_tokens(found.candidates, found.references), "meteor": meteor})


def one_line(text: str) -> str:
    """`text` with spaces for all that ends a line."""
    return text.translate({ord(character): " " for character in LINE_ENDS})
