"""Validation on held-out pictures: what it says, that it changes nothing, and when it ends."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from programs import killed_when
from toy_recipes import NEEDS, made, saved_states, toy, weights

from rediff.models.checkpoint import Checkpoint
from rediff.training.collator import CaptionerForTraining, Collator, canvas_logits
from rediff.training.corruption import TokenRole
from rediff.training.data_order import Schedule
from rediff.training.examples import ExampleMaker
from rediff.training.held_out import hold_out
from rediff.training.items import Item
from rediff.training.logs import LOG, read_log
from rediff.training.objectives import MaskedPrediction, MaskRatio
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.reports import read_progress
from rediff.training.stages.base import Run


def recipe(stage: str, validation: dict[str, Any], **optimisation: Any) -> Recipe:
    raw = toy().model_dump(mode="json")
    raw["stages"][stage]["validation"] = validation
    raw["stages"][stage]["optimisation"] |= optimisation
    return Recipe.model_validate(raw)


def validations(folder: Path) -> dict[int, float]:
    return {
        int(entry["step"]): entry["validation"]
        for entry in read_log(folder / LOG)
        if "validation" in entry
    }


@pytest.mark.parametrize("stage", NEEDS)
def test_it_changes_nothing_of_a_training(trained: Path, tmp_path: Path, stage: str) -> None:
    often, never = (
        made(
            trained, tmp_path / name, recipe(stage, {"share": 0.2, "every": every}, steps=6), stage
        )
        for name, every in (("often", 2), ("never", 100))
    )
    assert validations(often).keys() == {2, 4, 6}
    assert validations(never) == {6: validations(often)[6]}
    first, second = weights(often), weights(never)
    assert all(torch.equal(first[name], second[name]) for name in first)
    report = read_progress(stage, often.parent)
    assert report.validation == validations(often)[6]
    assert report.loss is not None


def test_it_is_the_loss_of_the_held_out_rows(trained: Path, tmp_path: Path) -> None:
    """Told again row by row, with the weights that the training ended with."""
    wanted = recipe("control", {"share": 0.2, "every": 3}, steps=3)
    folder = made(trained, tmp_path, wanted, "control")
    checkpoint = Checkpoint.load(folder / "model")
    items = Run(wanted, tmp_path, folder).items("captions", checkpoint.config.prompt)
    ((_, held),) = hold_out([items], 0.2)
    assert len(held) == 8
    make = ExampleMaker(checkpoint, wanted.canvas)
    rows = Schedule([make(item) for item in held], batch=8, steps=1, seed=0)
    collate = Collator(MaskedPrediction(checkpoint.ids, MaskRatio(), suffix_share=0.5))
    total = count = 0.0
    for slot in range(8):
        batch = collate([rows[slot]])
        network = CaptionerForTraining(checkpoint.model, causal=False)
        with torch.no_grad():
            surprise = -canvas_logits(network, batch).log_softmax(dim=-1)
        for position, role in enumerate(batch["role"][0].tolist()):
            if role == TokenRole.MASK:
                total += surprise[0, position, batch["target"][0, position]].item()
                count += 1
    assert validations(folder)[3] == pytest.approx(total / count, abs=1e-4)


def test_patience_ends_a_training_and_keeps_its_best_weights(trained: Path, tmp_path: Path) -> None:
    """At a rate that spoils a model from the first step on."""
    spoilt = {"lr": 0.5, "other_lr": 0.5, "schedule": "constant_with_warmup", "warmup": 0.0}
    patient = recipe("control", {"every": 1, "patience": 2}, steps=40, **spoilt)
    folder = made(trained, tmp_path / "patient", patient, "control")
    seen = validations(folder)
    best = min(seen, key=lambda step: seen[step])
    assert max(seen) == best + 2 < 40
    short = recipe("control", {"every": 1}, steps=best, **spoilt)
    kept = weights(made(trained, tmp_path / "short", short, "control"))
    assert all(torch.equal(kept[name], tensor) for name, tensor in weights(folder).items())


def test_a_training_that_is_killed_ends_where_an_unbroken_one_does(
    trained: Path, tmp_path: Path
) -> None:
    wanted = recipe("control", {"every": 2, "patience": 3}, steps=30, lr=0.03, save_every=2)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(wanted.model_dump(mode="json"), sort_keys=False))
    whole = made(trained, tmp_path / "whole", wanted, "control")
    broken = tmp_path / "broken" / "control"
    shutil.copytree(trained / "base", broken.with_name("base"))
    killed_when(
        lambda: len(validations(broken)) >= 3,
        "train", "--recipe", path, "--out", broken.parent, "--stage", "control",
    )  # fmt: skip
    assert saved_states(broken)
    train(wanted, broken.parent, only=["control"])
    assert validations(broken) == validations(whole)
    first, second = weights(whole), weights(broken)
    assert all(torch.equal(first[name], second[name]) for name in first)


ids_of_rows = st.lists(st.integers(0, 6), min_size=1, max_size=30)


@settings(deadline=None)
@given(
    st.lists(ids_of_rows, min_size=1, max_size=3).filter(lambda g: len(set().union(*g)) > 1),
    st.floats(0.01, 0.5),
)
def test_pictures_are_held_out_whole(ids: list[list[int]], share: float) -> None:
    picture = Image.new("L", (1, 1))
    parts = hold_out([[Item(str(i), picture, ()) for i in group] for group in ids], share)
    inside, outside = (
        {item.id for part in parts for item in part[which]} for which in (False, True)
    )
    assert not inside & outside
    assert inside
    assert len(outside) == max(1, round(share * len(set().union(*ids))))
    for group, (learnt, held) in zip(ids, parts, strict=True):
        assert Counter(item.id for item in (*learnt, *held)) == Counter(map(str, group))


def test_one_picture_is_too_little() -> None:
    with pytest.raises(ValueError, match="of 1 pictures none can be held out"):
        hold_out([[Item("a", Image.new("L", (1, 1)), ())]], 0.1)
