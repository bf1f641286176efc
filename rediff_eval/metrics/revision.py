"""The effect of revision on captions while they were decoded.

    fix_rate = revisions that made a wrong word right / revisions
    break_rate = revisions that made a right word wrong / revisions

summed over all captions. A word is right if the oracle's nearest true caption has it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

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

RATES = {"fix_rate": "fixed", "break_rate": "broken"}


@register_metric(
    "revision",
    infos=[
        MetricInfo("revisions", digits=1),
        MetricInfo("flips", digits=1, lower_is_better=True),
        MetricInfo("fix_rate"),
        MetricInfo("break_rate", lower_is_better=True),
    ],
)
class RevisionMetric(AlwaysAvailable):
    """`revisions` and `flips` a caption; `fix_rate`, `break_rate`: shares of the revisions.

    See `Revisions`. Left out for models whose denoising steps are not seen.
    """

    scorer = "revision"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        if any(answer.revisions is None for answer in answers):
            return Scored({})
        rows: list[dict[str, Any]] = [asdict(a.revisions) for a in answers if a.revisions]
        revisions = [row["revisions"] for row in rows]
        scores = {name: Scores.of([row[name] for row in rows]) for name in ("revisions", "flips")}
        rates = {name: ([row[part] for row in rows], revisions) for name, part in RATES.items()}
        known = {name: rate for name, rate in rates.items() if None not in rate[0]}
        return Scored(scores | ratios(known))
