"""The cost of a caption: forward passes, seconds and tokens."""

from __future__ import annotations

from collections.abc import Sequence

from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import (
    AlwaysAvailable,
    MetricInfo,
    Scored,
    Scores,
    ratios,
    register_metric,
)


@register_metric(
    "cost",
    infos=[
        MetricInfo("tokens_per_pass", label="tokens per forward pass", digits=2),
        MetricInfo("nfe", label="forward passes", digits=1, lower_is_better=True),
        MetricInfo("gflop", label="GFLOP a caption", digits=2, lower_is_better=True),
        MetricInfo("seconds", label="seconds a caption", lower_is_better=True),
        MetricInfo("tokens", part=True),
        MetricInfo("computed", lower_is_better=True, part=True),
        MetricInfo("truncated", lower_is_better=True, part=True),
    ],
)
class CostMetric(AlwaysAvailable):
    """The cost of captions; values that a captioner does not report are left out.

    `tokens_per_pass`: sum of tokens / sum of forward passes, above the budget's tokens per step
    where a sampler ends early. `nfe`: forward passes. `seconds`: wall time of a batch divided by
    its rows. `gflop`: 10^9 floating-point operations by the model's sizes (`models/flops.py`), the
    picture's among them; `computed`: positions that ran through the text model. `tokens`: tokens
    written, without eos. `truncated`: share of captions without eos.
    """

    scorer = "cost"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        known = {
            name: [float(value) for value in values if value is not None]
            for name in ("nfe", "seconds", "tokens", "computed", "truncated")
            if None not in (values := [getattr(answer, name) for answer in answers])
        }
        scores = {name: Scores.of(values) for name, values in known.items()}
        operations = [answer.flops for answer in answers]
        if None not in operations:
            scores["gflop"] = Scores.of([one / 1e9 for one in operations if one is not None])
        if {"tokens", "nfe"} <= known.keys():
            scores |= ratios({"tokens_per_pass": (known["tokens"], known["nfe"])})
        return Scored(scores)
