"""Public data and the recipes of 8B at a size for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from programs import inside
from tiny_models import make_official

from rediff.training.recipe_files import find_recipe, read_recipe

SMALLER: dict[str, Any] = {
    "steps": 3, "batch_size": 4, "micro_batch": 2, "lr": 1e-3, "other_lr": 1e-3, "workers": 0,
}  # fmt: skip


def shrunk(recipe: str) -> dict[str, Any]:
    """A shipped recipe at toy size, otherwise as it is."""
    raw: dict[str, Any] = read_recipe(find_recipe(recipe))
    raw["canvas"] = 16
    for stage in raw["stages"].values():
        if "optimisation" in stage:
            stage["longest"] = 64
            stage["optimisation"] |= SMALLER
        if "pictures" in stage:
            stage |= {"pictures": 5, "tokens_per_step": [4, 8][: len(stage["tokens_per_step"])]}
    return raw


def conversation(answer: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": "<image>\nsmall ?"}, {"from": "gpt", "value": answer}]


def official_with_data(folder: Path) -> tuple[Path, Path]:
    """A checkpoint in official naming, and a mixture of public data for its tokenizer."""
    source = make_official(folder / "official")
    inside("convert", source, folder / "plain")
    return source, write_data(folder, folder / "plain")


def write_data(folder: Path, tokenizer: Path) -> Path:
    """A file of each public format over two pictures, and their mixture."""
    (folder / "images").mkdir()
    for name, size in (("0.png", (40, 30)), ("1.png", (20, 60))):
        Image.new("RGB", size, "red").save(folder / "images" / name)
    vicrit = {
        "image": "0.png", "problem": "small ?", "changed_caption": "a small circle",
        "solution_target": "small", "solution_original": "large",
    }  # fmt: skip
    record = {"image": "1.png", "conversations": conversation("a red circle") * 2}
    files: dict[str, list[Any]] = {
        "vicrit": [vicrit] * 3,
        "conversations": [record] * 3,
        "revisions": [
            {"image": "1.png", "conversations": conversation("a small circle"),
             "revise": [{"org": "small", "target": "large"}]}
        ] * 3,
    }  # fmt: skip
    for name, rows in files.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    sources = {name: {"format": name, "path": f"{name}.json", "images": "images"} for name in files}
    path = folder / "mixture.yaml"
    path.write_text(yaml.safe_dump({"tokenizer": str(tokenizer), "sources": sources}))
    return path
