"""Public data in their own formats train a checkpoint in official naming through both stages."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import yaml
from PIL import Image
from programs import inside

from rediff.models.checkpoint import Checkpoint
from rediff.training.logs import read_log

STEPS = {"steps": 3, "batch_size": 4, "optimizer": "adamw", "lr": 1e-3, "other_lr": 1e-3}
RECIPE: dict[str, Any] = {
    "canvas": 16,
    "stages": {
        "base": {"kind": "checkpoint"},
        "pairs": {"kind": "records"},
        "revision": {
            "kind": "revise", "start": "base", "data": ["pairs"], "longest": 64,
            "optimisation": {**STEPS, "group_by_length": True, "vision_lr": 1e-4, "freeze": [],
                             "precision": "bfloat16"},
        },
        "refine": {
            "kind": "correct", "start": "revision", "data": ["pairs"], "longest": 64,
            "optimisation": STEPS,
        },
    },
    "export": {},
}  # fmt: skip


def conversation(answer: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": "<image>\nsmall ?"}, {"from": "gpt", "value": answer}]


def write_data(folder: Path, tokenizer: Path) -> Path:
    """A file of each public format over two pictures, and their mixture."""
    (folder / "images").mkdir()
    for name, size in (("0.png", (40, 30)), ("1.png", (20, 60))):
        Image.new("RGB", size, "red").save(folder / "images" / name)
    vicrit = {
        "image": "0.png", "problem": "small ?", "changed_caption": "a small circle",
        "solution_target": "small", "solution_original": "large",
    }  # fmt: skip
    talk = {"image": "1.png", "conversations": conversation("a red circle") * 2}
    files: dict[str, list[Any]] = {
        "vicrit": [vicrit] * 3,
        "conversations": [talk] * 3,
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


def test_every_format_trains_both_stages(tmp_path: Path) -> None:
    source = tiny_models.make_official(tmp_path / "official")
    inside("convert", source, tmp_path / "plain")
    mixture = write_data(tmp_path, tmp_path / "plain")
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "out"
    recipe.write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    command = ["train", "--recipe", recipe, "--checkpoint", source, "--out", out]
    stages = [part for name in RECIPE["stages"] for part in ("--stage", name)]
    with pytest.raises(ValueError, match="'pairs' of this recipe needs a --data FILE"):
        inside(*command, *stages)
    inside(*command, *stages, "--data", mixture)
    tallies = json.loads((out / "pairs" / "tallies.json").read_text())
    assert {name: tally["records"] for name, tally in tallies.items()} == dict.fromkeys(
        ("vicrit", "conversations", "revisions"), 3
    )
    first, second = (read_log(out / name / "log.jsonl")[0] for name in ("revision", "refine"))
    assert "loss_mask" in first
    assert "loss_edit" in second
    assert Checkpoint.load(out / "refine" / "model").card.canvas == 16
