"""Recipes for 8B without an expert: every stage at toy size, and interrupted in the middle."""

import signal
from functools import partial
from pathlib import Path

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

RECIPES = ("rediff-8b-self", "rediff-8b-self-prefix")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`train`, with a checkpoint in official naming and public data; a state saved every step."""
    monkeypatch.setenv("REDIFF_CACHE", str(tmp_path / "cache"))
    source, mixture = official_with_data(tmp_path)
    raw = shrunk(RECIPES[0])
    for name in ("distilled", "distilled-revision"):
        raw["stages"][name]["optimisation"] |= {"steps": 8, "save_every": 1}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    words = ["train", "--recipe", tmp_path / "recipe.yaml", "--checkpoint", source,
             "--data", mixture]  # fmt: skip
    stages = [part for name in raw["stages"] for part in ("--stage", name)]
    return [str(word) for word in [*words, *stages]]


def test_it_trains_through_every_stage_and_a_broken_run_ends_alike(
    tmp_path: Path, command: list[str]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    inside(*command, "--out", whole)
    for name in ("distilled", "distilled-revision"):
        killed = killed_when(partial(saved_states, broken / name), *command, "--out", broken)
        assert killed == -signal.SIGKILL, "it was over before it was killed"
        assert saved_states(broken / name)
    inside(*command, "--out", broken)

    drafts = list(read_lines(whole / "teacher-captions" / DRAFTS, Draft))
    assert len({draft.id for draft in drafts}) == len(drafts) == 5
    assert drafts == list(read_lines(broken / "teacher-captions" / DRAFTS, Draft))
    first, second = (
        read_log(whole / name / "log.jsonl")[0] for name in ("distilled", "distilled-revision")
    )
    assert "loss_clean" not in first
    assert "loss_clean" in second
    assert "loss_hallucination" not in second
    for name in ("distilled", "distilled-revision"):
        unbroken, resumed = weights(whole / name), weights(broken / name)
        assert all(torch.equal(unbroken[key], resumed[key]) for key in unbroken)
    before, after = (weights(whole / name) for name in ("llada-v", "distilled-revision"))
    assert any(not torch.equal(before[key], after[key]) for key in before)
    mean = weights(whole / "averaged")
    assert all(torch.equal(mean[key], weights(broken / "averaged")[key]) for key in mean)
    sides = weights(whole / "distilled"), after
    assert all(torch.allclose(mean[key], (sides[0][key] + sides[1][key]) / 2) for key in mean)
    assert Checkpoint.load(whole / "averaged" / "model").config.canvas == 16


def test_its_plan_has_no_expert_and_prefix_attention_makes_the_captions_cheap() -> None:
    full, prefix = (
        {
            stage.stage: stage
            for stage in plan(Recipe.load(find_recipe(name)), processes=8, tflops=400)
        }
        for name in RECIPES
    )
    assert list(full) == [
        "llada-v",
        "public",
        "teacher-captions",
        "distilled",
        "distilled-revision",
        "averaged",
    ]
    assert set(prefix) - set(full) == {"tuning"}
    assert all(not stage.dollars for stage in full.values())
    assert full["teacher-captions"].hours is not None
    assert prefix["teacher-captions"].hours is not None
    assert prefix["teacher-captions"].hours < full["teacher-captions"].hours / 10
