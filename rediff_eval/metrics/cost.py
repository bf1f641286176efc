"""What a caption cost: forward passes, seconds and tokens."""

from __future__ import annotations

from collections.abc import Sequence

from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import (
    AlwaysAvailable,
    MetricInfo,
    Scored,
    Scores,
    ratio,
    register_metric,
)


@register_metric(
    "cost",
    infos=[
        MetricInfo("tokens_per_pass", label="tokens per forward pass", digits=2),
        MetricInfo("nfe", label="forward passes", digits=1, lower_is_better=True),
        MetricInfo("seconds", label="seconds a caption", lower_is_better=True),
        MetricInfo("tokens", part=True),
        MetricInfo("truncated", lower_is_better=True, part=True),
    ],
)
class CostMetric(AlwaysAvailable):
    """The cost of captions; what a captioner does not report is left out.

    `tokens_per_pass`: sum of tokens / sum of forward passes, above the budget's tokens per step
    where a sampler ends early. `nfe`: forward passes. `seconds`: wall time of a batch divided by
    its rows. `tokens`: tokens written, without eos. `truncated`: share of captions without eos.
    """

    scorer = "cost"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        known = {
            name: [float(value) for value in values if value is not None]
            for name in ("nfe", "seconds", "tokens", "truncated")
            if None not in (values := [getattr(answer, name) for answer in answers])
        }
        scores = {name: Scores.of(values) for name, values in known.items()}
        if {"tokens", "nfe"} <= known.keys() and any(known["nfe"]):
            scores["tokens_per_pass"] = ratio(known["tokens"], known["nfe"])
        return Scored(scores)
