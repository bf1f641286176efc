"""What revision did to captions on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rediff_eval.answers import Answer
from rediff_eval.metrics.base import Scores
from rediff_eval.samples import Sample

RATES = {"fix_rate": "fixed", "break_rate": "broken"}


class RevisionMetric:
    """`revisions` and `flips` a caption; `fix_rate`, `break_rate`: shares of the revisions.

    See `Revisions`. Left out for models whose denoising steps are not seen.
    """

    def applies(self, samples: Sequence[Sample]) -> str | None:
        return None

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Mapping[str, Scores]:
        if any(answer.revisions is None for answer in answers):
            return {}
        rows: list[dict[str, Any]] = [asdict(a.revisions) for a in answers if a.revisions]
        revisions = [row["revisions"] for row in rows]
        scores = {name: Scores.of([row[name] for row in rows]) for name in ("revisions", "flips")}
        for name, part in RATES.items():
            if any(revisions) and all(row[part] is not None for row in rows):
                scores[name] = ratio([row[part] for row in rows], revisions)
        return scores


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Scores:
    """Scores whose aggregate is the sum of `parts` over that of `wholes`; nan for 0 of 0."""
    statistics = np.stack([parts, wholes], axis=1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        values = statistics[:, 0] / statistics[:, 1]
    return Scores(statistics, values, _ratio_of_sums)


def _ratio_of_sums(statistics: np.ndarray) -> np.ndarray:
    parts, wholes = np.moveaxis(statistics.sum(axis=-2), -1, 0)
    return np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)
