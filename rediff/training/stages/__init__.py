"""One function a kind of stage: from the folders it needs to the folder it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import set_seed

from rediff.training.distributed import alone
from rediff.training.stages.drafting import run_drafts
from rediff.training.stages.experts import run_expert
from rediff.training.stages.learning import run_correct, run_predict, run_revise
from rediff.training.stages.records import run_records
from rediff.training.stages.run import Run
from rediff.training.stages.starting import run_checkpoint, run_vision

TOGETHER: Mapping[str, Callable[[Any, Run], None]] = {
    "vision": run_vision,
    "predict": run_predict,
    "revise": run_revise,
    "correct": run_correct,
    "drafts": run_drafts,
    "expert": run_expert,
}
"""Stages that all processes work on."""
ALONE: Mapping[str, Callable[[Any, Run], None]] = {
    "records": run_records,
    "checkpoint": run_checkpoint,
}


def run_stage(name: str, run: Run) -> None:
    """Runs one stage in this process, or its part of it among several."""
    stage = run.recipe.stages[name]
    set_seed(stage.seed)
    if stage.kind in TOGETHER:
        TOGETHER[stage.kind](stage, run)
    else:
        alone(lambda: ALONE[stage.kind](stage, run))
