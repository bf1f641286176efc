"""Low-rank updates train a few weights and end up in the weights they update."""

from pathlib import Path
from typing import Any

import torch
from tiny_models import TOY

from rediff.models.checkpoint import Checkpoint
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe

STEPS: dict[str, Any] = {
    "steps": 4, "batch_size": 4, "optimizer": "adamw", "lr": 0.01, "gradient_checkpointing": True,
    "lora": {"rank": 4, "alpha": 8},
}  # fmt: skip


def test_workers_need_no_pickled_model(tmp_path: Path) -> None:
    """In a stage's own process, where gradient checkpointing hangs functions on the model."""
    weights = []
    for workers in (0, 2):
        stages = {
            "vision": {"kind": "vision", "optimisation": {"steps": 1, "batch_size": 4}},
            "stage1": {
                "kind": "revise", "start": "vision",
                "optimisation": {**STEPS, "workers": workers},
            },
        }  # fmt: skip
        raw = {
            "scenes": {"train": 8},
            "model": TOY.model_dump(mode="json"),
            "stages": stages,
            "export": {},
        }
        train(Recipe.model_validate(raw), tmp_path / str(workers), jobs=1)
        made = Checkpoint.load(tmp_path / str(workers) / "stage1" / "model")
        weights.append(made.model.state_dict())
    alone, shared = weights
    assert all(torch.equal(alone[name], shared[name]) for name in alone)


def test_only_linear_layers_of_the_text_model_change(tmp_path: Path) -> None:
    stages = {
        "vision": {"kind": "vision", "optimisation": {"steps": 1, "batch_size": 4, "freeze": []}},
        "stage1": {"kind": "revise", "start": "vision", "optimisation": STEPS},
    }
    raw = {
        "scenes": {"train": 8},
        "model": TOY.model_dump(mode="json"),
        "stages": stages,
        "export": {},
    }
    train(Recipe.model_validate(raw), tmp_path)
    before, after = (
        Checkpoint.load(tmp_path / name / "model").model.state_dict() for name in stages
    )
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    linear = {n for n in before if "language_model.layers" in n and "_proj" in n}
    assert changed == linear
    for name in changed:
        rank = torch.linalg.matrix_rank((after[name] - before[name]).double(), rtol=1e-4)
        assert rank <= 4
