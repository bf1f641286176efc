"""Coverage by a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.judged.protocols.coverage import ask
from rediff_eval.metrics.base import Scored
from rediff_eval.metrics.judged.verdicts import score_verdicts
from rediff_eval.metrics.resources import Resources
from rediff_eval.benchmarks.sample import Sample


class CoverageMetric:
    """`coverage`: the share of all questions about the pictures that captions answer rightly.

    `sound`: answers are read by their numbers, and what is not answered is wrong. `official`: as
    the authors read replies, in which a preamble costs all points and one letter may stand for all.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @property
    def scorer(self) -> str:
        return self.resources.judged_by("coverage", self.resources.prompts.coverage)

    def unavailable(self) -> str | None:
        return self.resources.no_judge()

    def lacks(self, sample: Sample) -> str | None:
        return None if sample.questions else "needs questions about the picture"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        prompt, preset = self.resources.prompts.coverage, self.resources.preset
        verdicts = self.resources.hold(
            "Coverage",
            [
                ask(
                    prompt, answer.text, [q.text for q in sample.questions],
                    [q.answer for q in sample.questions], preset,
                )
                for sample, answer in zip(samples, answers, strict=True)
            ],
        )  # fmt: skip
        return score_verdicts(
            "coverage", samples, verdicts,
            row=lambda verdict: (verdict.correct, verdict.questions),
            worst=lambda sample, rows: (0, len(sample.questions)),
            detail=asdict,
        )  # fmt: skip
