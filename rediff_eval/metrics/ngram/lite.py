"""The n-gram metrics that need no Java."""

from __future__ import annotations

from collections.abc import Sequence

from rediff.scenes.parser import tokenize
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import (
    AlwaysAvailable,
    Scored,
    needs_references,
    register_metric,
)
from rediff_eval.metrics.ngram.corpus import INFOS, score_tokens


@register_metric("ngram-lite", infos=INFOS)
class NgramLiteMetric(AlwaysAvailable):
    """BLEU, ROUGE-L and CIDEr of lower-cased words without punctuation.

    Not the numbers of the official Java tokenizer, and no METEOR.
    """

    scorer = "ngram-lite"

    def lacks(self, sample: Sample) -> str | None:
        return needs_references(sample)

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        return Scored(
            score_tokens(
                [words(answer.text) for answer in answers],
                [[words(reference) for reference in sample.references] for sample in samples],
            )
        )


def words(text: str) -> str:
    """A text's words in lower case, by single spaces."""
    return " ".join(word for word in tokenize(text) if word.isalnum())
