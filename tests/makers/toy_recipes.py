"""Shipped recipes at a size for tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from tiny_models import TOY

from rediff.models.checkpoint import Checkpoint
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff.training.saved_states import STATE

NEEDS = {"control": ["base"], "stage1": ["base"], "stage2": ["stage1", "drafts", "oracle"]}
"""What stages start from."""


def toy(steps: int = 4, name: str = "scenes") -> Recipe:
    """A shipped recipe with few steps, few scenes and a small model."""
    raw = Recipe.load(find_recipe(name)).model_dump(mode="json")
    raw["sections"]["scenes"] |= {"train": 40, "captions": 2}
    raw["model"] |= TOY.model_dump(mode="json", exclude={"prefix_attention"})
    for stage in raw["stages"].values():
        if "optimisation" in stage:
            stage["optimisation"] |= {"steps": steps, "batch_size": 8, "save_every": 2}
        if "pictures" in stage:
            stage["pictures"] = 6
        if stage.get("skip"):
            stage["skip"] = 6
    return Recipe.model_validate(raw)


def made(trained: Path, root: Path, wanted: Recipe, stage: str) -> Path:
    """The folder of a stage of a recipe whose earlier stages are those of `trained`."""
    for need in NEEDS[stage]:
        shutil.copytree(trained / need, root / need)
    assert train(wanted, root, only=[stage]) == [stage]
    return root / stage


def weights(stage: Path) -> dict[str, torch.Tensor]:
    """The weights that a stage ended with."""
    return Checkpoint.load(stage / "model").model.state_dict()


def saved_states(stage: Path) -> set[str]:
    """The states that a stage has saved to resume from."""
    return {path.parent.name for path in stage.glob(f"{STATE}/checkpoint-*/trainer_state.json")}
