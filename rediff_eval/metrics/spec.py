"""How captions are scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rediff_eval.metrics.preset import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringSpec:
    """How to score.

    `preset`: see `rediff_eval.metrics.preset`. `factual`, `encoder`: checkpoints of CAPTURE's
    parser and sentence encoder, folders or hub ids; without both of them CAPTURE is not run.
    `capmas_prompts`, `caparena_prompts`: checkouts whose prompts are used instead of ours.
    `metric_seconds`: how long the programs behind the n-gram metrics may take. `seed`: of the
    bootstrap and of the coin that orders a pair.
    """

    preset: Preset = "sound"
    factual: str | None = None
    encoder: str | None = None
    capmas_prompts: Path | None = None
    caparena_prompts: Path | None = None
    metric_seconds: float = 600.0
    seed: int = 0
