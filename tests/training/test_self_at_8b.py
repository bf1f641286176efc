"""Recipes for 8B without an expert: every stage at toy size, and interrupted in the middle."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from programs import inside, killed_when
from toy_recipes import saved_states, weights
from toy_records import official_with_data, shrunk

from rediff.models.checkpoint import Checkpoint
from rediff.training.draft_records import DRAFTS, Draft, read_lines
from rediff.training.estimate import plan
from rediff.training.logs import read_log
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe

RECIPES = {
    "rediff-8b-self": ["llada-v", "public", "teacher-captions", "distilled"],
    "rediff-8b-self-prefix": ["llada-v", "public", "tuning", "teacher-captions", "distilled"],
}
"""Their stages."""
TRAINED = ("tuning", "distilled")


def command(recipe: str, folder: Path) -> list[str]:
    """`train` of all stages, with a checkpoint in official naming and public data; a state is saved
    every step, and a draft written at a time."""
    source, mixture = official_with_data(folder)
    raw: dict[str, Any] = shrunk(recipe)
    for name, stage in raw["stages"].items():
        if name in TRAINED:
            stage["optimisation"] |= {"steps": 8, "save_every": 1}
    raw["stages"]["teacher-captions"]["batch_size"] = 1
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    stages = [part for name in raw["stages"] for part in ("--stage", name)]
    return [
        *("train", "--recipe", str(path), "--checkpoint", str(source), "--data", str(mixture)),
        *stages,
    ]


def under_way(stage: Path) -> bool:
    """Whether a stage has written something to resume from: drafts, or a state."""
    drafts = (stage / "parts").glob("*.jsonl")
    return bool(saved_states(stage)) or any(path.stat().st_size for path in drafts)


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_trains_through_every_stage_and_a_broken_run_ends_alike(
    recipe: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REDIFF_CACHE", str(tmp_path / "cache"))
    train = command(recipe, tmp_path)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    inside(*train, "--out", whole)
    named = whole / "distilled" / "true-answers-teacher-captions.txt"
    number = len(named.read_text().splitlines())
    assert f"learnt for {number} drafts of teacher-captions: {named}" in capsys.readouterr().out
    for name in RECIPES[recipe][2:]:
        killed = killed_when(partial(under_way, broken / name), *train, "--out", broken)
        assert killed == -signal.SIGKILL, "it was over before it was killed"
        assert under_way(broken / name)
    inside(*train, "--out", broken)

    drafts = list(read_lines(whole / "teacher-captions" / DRAFTS, Draft))
    assert len({draft.id for draft in drafts}) == len(drafts) == 5
    assert drafts == list(read_lines(broken / "teacher-captions" / DRAFTS, Draft))
    assert number >= sum("" not in draft.words for draft in drafts)
    told = read_log(whole / "distilled" / "log.jsonl")[0]
    assert "loss_clean" in told
    assert "loss_hallucination" not in told
    for name in ({"tuning"} & {*RECIPES[recipe]}) | {"distilled"}:
        unbroken, resumed = weights(whole / name), weights(broken / name)
        assert all(torch.equal(unbroken[key], resumed[key]) for key in unbroken)
    before, after = (weights(whole / name) for name in ("llada-v", "distilled"))
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert Checkpoint.load(whole / "distilled" / "model").config.canvas == 16


def test_its_plan_has_no_expert_and_prefix_attention_makes_the_captions_cheap(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planned = {
        name: {
            stage.stage: stage
            for stage in plan(Recipe.load(find_recipe(name)), processes=8, tflops=400)
        }
        for name in RECIPES
    }
    assert {name: list(stages) for name, stages in planned.items()} == RECIPES
    full, prefix = planned.values()
    assert all(not stage.dollars for stage in full.values())
    assert full["teacher-captions"].hours is not None
    assert prefix["teacher-captions"].hours is not None
    assert prefix["teacher-captions"].hours < full["teacher-captions"].hours / 10
    for name, stages in RECIPES.items():
        inside("train", "--recipe", name, "--plan", "--devices", "8")
        said = capsys.readouterr().out
        assert all(stage in said for stage in stages)
