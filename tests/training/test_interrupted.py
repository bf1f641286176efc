"""Training that is interrupted, started twice, or resumed."""

import json
import random
import shutil
import time
from pathlib import Path

import pytest
import torch
import yaml
from programs import killed_when
from toy_recipes import saved_states, toy, weights
from transformers import TrainerControl, TrainerState, TrainingArguments

from rediff.io.files import lock
from rediff.training.json_log import JsonLog
from rediff.training.logs import read_log
from rediff.training.pipeline import LOCK, train
from rediff.training.recipe import Recipe
from rediff.training.saved_states import last_state, remove_partial_states


def test_two_commands_do_not_train_in_one_folder(tmp_path: Path) -> None:
    held = lock(tmp_path / LOCK)
    assert held is not None
    with held, pytest.raises(ValueError, match="another command is training"):
        train(toy(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_log_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"step": 1, "loss": 2.0, "seconds": 9.0}\n{"step": 10, "loss": 3.0}\n{"step": 1'
    )
    assert [entry["step"] for entry in read_log(path)] == [1, 10]
    state = TrainerState(max_steps=20, global_step=5)  # what was saved is older than the log
    arguments = TrainingArguments(output_dir=str(tmp_path))
    log = JsonLog(path)
    log.on_train_begin(arguments, state, TrainerControl())
    state.global_step = 10
    log.on_log(arguments, state, TrainerControl(), {"loss": 1.0})
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(entry["step"], entry["loss"]) for entry in entries] == [(1, 2.0), (10, 1.0)]
    assert entries[1]["seconds"] >= 9.0


@pytest.mark.parametrize("written", ["", '{"global_step": 10, "log_hist', "{"])
def test_a_state_that_was_broken_off_is_passed_over(tmp_path: Path, written: str) -> None:
    for step, note in ((2, '{"global_step": 2}'), (10, written)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_bytes(note.encode())
    assert last_state(tmp_path) == str(tmp_path / "checkpoint-2")
    (tmp_path / "checkpoint-10" / "trainer_state.json").write_text('{"global_step": 10}')
    assert last_state(tmp_path) == str(tmp_path / "checkpoint-10")
    (tmp_path / "checkpoint-10" / "optimizer.pt").touch()
    assert last_state(tmp_path) == str(tmp_path / "checkpoint-2")
    remove_partial_states(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


def test_a_broken_run_ends_with_the_weights_of_an_unbroken_one(
    trained: Path, tmp_path: Path
) -> None:
    """Killed twice at random moments after a saved state, then finished: equal bit by bit."""
    raw = toy().model_dump(mode="json")
    stage = "stage2"
    raw["stages"][stage]["optimisation"] |= {"steps": 30, "save_every": 3}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    recipe = Recipe.load(tmp_path / "recipe.yaml")
    for root in ("whole", "broken"):
        for need in ("base", "stage1", "drafts", "oracle"):
            shutil.copytree(trained / need, tmp_path / root / need)
    assert train(recipe, tmp_path / "whole", only=[stage]) == [stage]
    folder, rng = tmp_path / "broken" / stage, random.Random(time.time_ns())
    for _ in range(2):
        before = saved_states(folder)
        killed_when(
            lambda before=before: saved_states(folder) - before,
            "train", "--recipe", tmp_path / "recipe.yaml", "--out", tmp_path / "broken",
            "--stage", stage, later=rng.random() * 0.2,
        )  # fmt: skip
    train(recipe, tmp_path / "broken", only=[stage])
    first, second = (weights(tmp_path / root / stage) for root in ("whole", "broken"))
    assert all(torch.equal(first[name], second[name]) for name in first)
