"""Shipped recipes at a size for tests."""

from __future__ import annotations

from tiny_models import TOY

from rediff.training.recipe import Recipe, find_recipe


def toy(steps: int = 4, name: str = "scenes") -> Recipe:
    """A shipped recipe with few steps, few scenes and a small model."""
    raw = Recipe.load(find_recipe(name)).model_dump(mode="json")
    raw["sections"]["scenes"] |= {"train": 40, "captions": 2}
    raw["model"] = TOY.model_dump(mode="json")
    for stage in raw["stages"].values():
        if "optimisation" in stage:
            stage["optimisation"] |= {"steps": steps, "batch_size": 8, "save_every": 2}
        if "pictures" in stage:
            stage["pictures"] = 6
    return Recipe.model_validate(raw)
