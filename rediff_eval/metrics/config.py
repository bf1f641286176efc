"""How captions are scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rediff.llm_client.server import ServerSpec
from rediff_eval.metrics.preset import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringConfig:
    """How captions are scored, and by which judge.

    `preset`: see `Preset`. `judge`: None for the oracle where it can judge, which is on scenes.
    `factual`, `encoder`: checkpoints of CAPTURE's parser and sentence encoder, folders or hub ids;
    without both of them CAPTURE is not run. `capmas_prompts`, `caparena_prompts`: checkouts whose
    prompts are used instead of ours. `metric_seconds`: how long the programs of the n-gram
    metrics may take. `seed`: of the bootstrap, and of the coin that orders a pair. `device`: of
    models that score, None for the first GPU, else the CPU.
    """

    preset: Preset = "corrected"
    judge: ServerSpec | None = None
    factual: str | None = None
    encoder: str | None = None
    capmas_prompts: Path | None = None
    caparena_prompts: Path | None = None
    metric_seconds: float = 600.0
    seed: int = 0
    device: str | None = None
