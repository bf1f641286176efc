"""The n-gram metrics that need no Java."""

from __future__ import annotations

from collections.abc import Sequence

from rediff.scenes.reader import tokenize
from rediff_eval.answers import Answer
from rediff_eval.metrics.base import Scored
from rediff_eval.metrics.ngram.corpus import score_tokens
from rediff_eval.metrics.resources import Resources
from rediff_eval.samples import Sample


class NgramLiteMetric:
    """BLEU, ROUGE-L and CIDEr of lower-cased words without punctuation.

    Not the numbers of the official Java tokenizer, and no METEOR.
    """

    scorer = "ngram-lite"

    def __init__(self, resources: Resources) -> None:
        pass

    def applies(self, samples: Sequence[Sample]) -> str | None:
        return None if all(s.references for s in samples) else "needs references"

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
