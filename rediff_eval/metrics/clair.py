"""CLAIR by a judge."""

from __future__ import annotations

from collections.abc import Sequence

from rediff.llm_client.conversation import Failed
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.judged.protocols.clair import ClairVerdict, ask
from rediff_eval.metrics.base import Scored, needs_references
from rediff_eval.metrics.judged.verdicts import Row, score_verdicts
from rediff_eval.metrics.resources import Resources
from rediff_eval.benchmarks.sample import Sample


class ClairMetric:
    """`clair`, 0 to 1: how likely the caption describes the picture of its first reference.

    `sound`: scores out of range, unclear ones and several at once are no scores. `official`: as the
    authors read replies, out-of-range scores included; a score without a reason is added to the
    sum but not to the count.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @property
    def scorer(self) -> str:
        return self.resources.judged_by("clair", self.resources.prompts.clair)

    def unavailable(self) -> str | None:
        return self.resources.no_judge()

    def lacks(self, sample: Sample) -> str | None:
        return needs_references(sample)

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        preset, prompt = self.resources.preset, self.resources.prompts.clair
        verdicts = self.resources.hold(
            "CLAIR",
            [
                ask(prompt, answer.text, sample.references[0], preset)
                for sample, answer in zip(samples, answers, strict=True)
            ],
        )
        return score_verdicts(
            "clair", samples, verdicts,
            row=official_row if preset == "official" else lambda verdict: (verdict.score, 1),
            worst=lambda sample, rows: (0, 1),
            detail=lambda verdict: {"score": verdict.score, "reason": verdict.reason},
        )  # fmt: skip


def official_row(verdict: ClairVerdict | Failed) -> Row:
    """What CapMAS adds to its sum and to its count."""
    if isinstance(verdict, Failed):
        return (0.0, 0)
    return (verdict.score, int(verdict.reason is not None))
