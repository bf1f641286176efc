"""Factuality by a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from rediff.llm_client.conversation import Talk
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.judged.protocols.factuality import FactualityVerdict, ask
from rediff_eval.metrics.base import Scored, needs_references
from rediff_eval.metrics.judged.verdicts import score_verdicts
from rediff_eval.metrics.resources import Resources, with_picture
from rediff_eval.benchmarks.sample import Sample


class FactualityMetric:
    """`factuality`: the share of all propositions of the captions that are true.

    Long captions weigh more; one that states nothing adds nothing. A caption that states less errs
    less, so look at `coverage` beside it. As the worst, a failed caption counts as many false
    propositions as the others have on average. `sound`: tries are bounded, propositions count once.
    `official`: as the authors read replies.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @property
    def scorer(self) -> str:
        prompts = self.resources.prompts
        return self.resources.judged_by("factuality", prompts.decompose, prompts.judge)

    def unavailable(self) -> str | None:
        return self.resources.no_judge()

    def lacks(self, sample: Sample) -> str | None:
        return needs_references(sample)

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        verdicts = self.resources.hold(
            "Factuality",
            [self._talk(sample, answer) for sample, answer in zip(samples, answers, strict=True)],
        )
        return score_verdicts(
            "factuality", samples, verdicts,
            row=lambda verdict: (sum(verdict.true), len(verdict.true)),
            worst=lambda sample, rows: (0, float(np.mean([whole for _, whole in rows]))),
            detail=asdict,
        )  # fmt: skip

    def _talk(self, sample: Sample, answer: Answer) -> Talk[FactualityVerdict]:
        prompts, preset = self.resources.prompts, self.resources.preset
        reference = sample.references[0]

        def make(image: str) -> Talk[FactualityVerdict]:
            return ask(prompts.decompose, prompts.judge, answer.text, reference, image, preset)

        return with_picture(sample.data_url, make)
