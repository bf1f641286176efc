"""What a caption cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rediff.models.captioner import Caption
from rediff_eval.metrics.base import Scores
from rediff_eval.samples import Sample


class CostMetric:
    """`nfe` (forward passes), `seconds` (wall time, the batch's shared evenly), `tokens`
    (written, the stop left out), `truncated` (share without a stop)."""

    def applies(self, samples: Sequence[Sample]) -> str | None:
        return None

    def score(self, samples: Sequence[Sample], captions: Sequence[Caption]) -> Mapping[str, Scores]:
        return {
            "nfe": Scores.of([c.nfe for c in captions]),
            "seconds": Scores.of([c.seconds for c in captions]),
            "tokens": Scores.of([c.tokens for c in captions]),
            "truncated": Scores.of([c.truncated for c in captions]),
        }
