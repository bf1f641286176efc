"""The n-gram metrics that need no Java."""

from __future__ import annotations

from collections.abc import Sequence

from rediff.scenes.parser import tokenize
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import Scored, needs_references
from rediff_eval.metrics.ngram.corpus import score_tokens
from rediff_eval.metrics.resources import Resources
from rediff_eval.benchmarks.sample import Sample


class NgramLiteMetric:
    """BLEU, ROUGE-L and CIDEr of lower-cased words without punctuation.

    Not the numbers of the official Java tokenizer, and no METEOR.
    """

    scorer = "ngram-lite"

    def __init__(self, resources: Resources) -> None:
        pass

    def unavailable(self) -> str | None:
        return None

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
