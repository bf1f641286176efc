"""Metrics of captions that need neither references nor a truth."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import AlwaysAvailable, MetricInfo, Scored, Scores, register_metric

RUN = 4
"""Words of a run that counts as repeated."""


@register_metric(
    "text",
    infos=[
        MetricInfo("caption_words", label="words a caption", digits=1),
        MetricInfo("repeated", label="repeated runs of four words", lower_is_better=True),
    ],
)
class TextMetric(AlwaysAvailable):
    """`caption_words`: words of a caption. `repeated`: share of its runs of four words that were
    there before; models that write words side by side tend to say things twice.
    """

    scorer = f"text, runs of {RUN}"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        texts = [words(answer.text) for answer in answers]
        return Scored(
            {
                "caption_words": Scores.of([len(text) for text in texts]),
                "repeated": Scores.of([repeated(text) for text in texts]),
            }
        )


def words(text: str) -> list[str]:
    """Lower-cased words without punctuation, of any script."""
    return re.findall(r"\w+(?:['’-]\w+)*", text.lower())


def repeated(text: Sequence[str]) -> float:
    """Share of the runs of `RUN` words that a text has had before.

    Args:
        text: its words.

    Examples:
        >>> repeated("a red star and a red star and a ring".split())
        0.2857142857142857
        >>> repeated(["short"])
        0.0
    """
    runs = [tuple(text[start : start + RUN]) for start in range(len(text) - RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
