"""Train ReDiff at toy size on the embedded scenes, in a minute or two: all stages that it needs.

python train_toy.py FOLDER
"""

import sys
from pathlib import Path

from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe

TINY = {"hidden": 32, "layers": 2, "heads": 2, "feed_forward": 48}


def toy_recipe() -> Recipe:
    """The shipped recipe with few scenes, few steps and a small model."""
    raw = Recipe.load(find_recipe("scenes")).model_dump(mode="json")
    raw["sections"]["scenes"] |= {"train": 40, "captions": 2}
    raw["model"] |= TINY
    for stage in raw["stages"].values():
        if "optimisation" in stage:
            stage["optimisation"] |= {"steps": 4, "batch_size": 8}
        if "pictures" in stage:
            stage["pictures"] = 6
    return Recipe.model_validate(raw).only(["rediff"])


if __name__ == "__main__":
    root = Path(sys.argv[1])
    print("trained:", ", ".join(train(toy_recipe(), root)))
    print("model in", root / "checkpoints" / "rediff")
