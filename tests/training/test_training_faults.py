"""What users of other trainers reported: numbers that are none, records that break a run late, and
states that another number of processes cannot read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
import yaml
from PIL import Image
from programs import inside
from test_processes import (
    RECIPE,
    kill_behind_a_state,
    shared,
    start_from,
    start_two,
    train_in_two,
)
from toy_recipes import toy

from rediff.data.mixture import Source, Tally, usable
from rediff.models.checkpoint import Checkpoint
from rediff.training.corruption import TokenRole, mask_tokens
from rediff.training.fingerprint import is_done
from rediff.training.logs import read_log
from rediff.training.losses import loss_sums
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.saved_states import STATE


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished `vision` stage to start from."""
    folder = tmp_path_factory.mktemp("root")
    train(Recipe.model_validate(RECIPE), folder, only=["vision"])
    return folder


def test_the_settings_of_rediff_8b_go_on_after_an_interrupt(root: Path, tmp_path: Path) -> None:
    """Shared out, in bfloat16, with a tower of which the forward pass does not use all."""
    raw = shared("fsdp2", precision="bfloat16", freeze=[], vision_lr=0.001)
    start_from(root, tmp_path)
    kill_behind_a_state(start_two(tmp_path, "stage1", raw=raw), tmp_path)
    train_in_two(tmp_path, "stage1", raw=raw)
    recipe = Recipe.model_validate(raw)
    assert is_done("stage1", recipe, tmp_path)
    assert [entry["step"] for entry in read_log(tmp_path / "stage1" / "log.jsonl")] == [1, 10, 20]


def test_a_state_that_another_number_of_processes_cannot_read_says_so(
    root: Path, tmp_path: Path
) -> None:
    raw = shared("fsdp2")
    start_from(root, tmp_path)
    kill_behind_a_state(start_two(tmp_path, "stage1", raw=raw), tmp_path)
    recipe = Recipe.model_validate(raw)
    with pytest.raises(RuntimeError, match=r"saved by 2 processes with shard: fsdp2: resume with"):
        train(recipe, tmp_path, only=["stage1"])
    shutil.rmtree(tmp_path / "stage1" / STATE)
    train(recipe, tmp_path, only=["stage1"])
    assert is_done("stage1", recipe, tmp_path)


@pytest.mark.parametrize("stage", ["vision", "stage1"])
def test_a_loss_that_is_no_number_ends_the_stage_and_exports_nothing(
    stage: str, root: Path, tmp_path: Path
) -> None:
    raw = json.loads(json.dumps(RECIPE))
    if stage == "stage1":
        start_from(root, tmp_path)
    raw["stages"][stage]["optimisation"] |= {
        "lr": 1e30, "other_lr": 1e30, "optimizer": "adamw", "steps": 6,
    }  # fmt: skip
    recipe = Recipe.model_validate(raw)
    with pytest.raises(RuntimeError, match=r"is not finite at step \d.*rows of the step: "):
        train(recipe, tmp_path, only=[stage])
    assert not is_done(stage, recipe, tmp_path)
    assert not (tmp_path / stage / "model").exists()


def data_of(folder: Path, rows: list[Any], **source: Any) -> Path:
    """A mixture of one file of plain lines over one whole picture and one that is cut in half."""
    (folder / "images").mkdir(exist_ok=True)
    Image.effect_noise((64, 64), 50).convert("RGB").save(folder / "images" / "whole.jpg")
    content = (folder / "images" / "whole.jpg").read_bytes()
    (folder / "images" / "half.jpg").write_bytes(content[: len(content) // 2])
    (folder / "lines.json").write_text(json.dumps(rows))
    tokenizer = tiny_models.make_official(folder / "official")
    spec = {"format": "lines", "path": "lines.json", "images": "images", **source}
    path = folder / "mixture.yaml"
    path.write_text(yaml.safe_dump({"tokenizer": str(tokenizer), "sources": {"own": spec}}))
    return path


GOOD = {"image": "whole.jpg", "question": "small ?", "answer": "a small circle"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"image": "half.jpg"}, "not a readable image"),
        ({"answer": "a <image> circle"}, "a text holds the special token <image>"),
        ({"question": "<image> small ?"}, "a text holds the special token <image>"),
        ({"answer": "a <|mdm_mask|> circle"}, "a text holds the special token <|mdm_mask|>"),
        ({"answer": "a circle <|eot_id|> red"}, "a text holds the special token <|eot_id|>"),
        ({"answer": "red " * 80}, "leaves no room to stop within 64 tokens"),
    ],
)
def test_the_check_finds_what_would_end_a_training(
    bad: dict[str, str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record is named by its number in a file of one line."""
    spec = data_of(tmp_path, [GOOD] * 6 + [{**GOOD, **bad}] + [GOOD] * 2, max_broken=0.2)
    inside("data", "check", spec, "--longest", "64")
    out = re.sub(r"[\s│]", "", capsys.readouterr().out)  # cells of a table are broken
    assert reason.replace(" ", "") in out
    assert "lines.json:1,record7" in out


def test_broken_records_are_judged_by_all_that_were_read(tmp_path: Path) -> None:
    rows = [{**GOOD, "image": "gone.jpg"}] * 2 + [GOOD] * 398
    spec = data_of(tmp_path, rows)
    source = Source.model_validate(yaml.safe_load(spec.read_text())["sources"]["own"])
    source = source.model_copy(
        update={"path": tmp_path / "lines.json", "images": tmp_path / "images"}
    )
    tokenizer = Checkpoint.load(tmp_path / "official").tokenizer
    tally = Tally()
    assert len(list(usable(source, tokenizer, tally))) == 398
    assert tally.broken == 2
    (tmp_path / "lines.json").write_text(json.dumps([GOOD] * 300 + [rows[0]] * 100))
    with pytest.raises(ValueError, match=r"records are broken, 1\.0% may be"):
        list(usable(source, tokenizer, Tally()))


def test_words_that_the_tokenizer_does_not_know_are_told_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [GOOD, {**GOOD, "answer": "a quokka nibbles foliage"}]
    spec = data_of(tmp_path, rows)
    with pytest.raises(ValueError, match=r"3 of 7 tokens of the answers \(43%\) are <unk>"):
        inside("data", "check", spec)
    spec = data_of(tmp_path, rows, max_unknown=0.5)
    inside("data", "check", spec)
    assert "42.9%" in capsys.readouterr().out


def recipe_of(folder: Path, longest: int = 64) -> dict[str, Any]:
    return {
        "canvas": 16,
        "stages": {
            "start": {"kind": "checkpoint"},
            "public": {"kind": "records"},
            "stage1": {
                "kind": "revise", "start": "start", "data": ["public"], "longest": longest,
                "optimisation": {"steps": 2, "batch_size": 4},
            },
        },
        "export": {},
    }  # fmt: skip


def test_an_answer_that_is_too_long_costs_itself_alone(tmp_path: Path) -> None:
    """Before the first step, and named; more than one in a hundred is refused at once."""
    rows = [GOOD] * 100 + [{**GOOD, "answer": "red " * 80}]
    spec = data_of(tmp_path, rows)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(tmp_path), sort_keys=False))
    command = ("train", "--recipe", recipe, "--checkpoint", tmp_path / "official", "--data", spec,
               "--stage", "start", "--stage", "public", "--stage", "stage1")  # fmt: skip
    inside(*command, "--out", tmp_path / "out")
    left = (tmp_path / "out" / "stage1" / "left-out-public.txt").read_text()
    assert left.splitlines() == [f"{tmp_path}/lines.json:1, record 101"]
    (tmp_path / "lines.json").write_text(json.dumps([*rows, rows[-1]]))
    with pytest.raises(RuntimeError, match="2 of 102 records have an answer that leaves no room"):
        inside(*command, "--out", tmp_path / "two")


def test_what_is_masked_whatever_the_level_weighs_one() -> None:
    """Answers of 20 words on a canvas of 128: by the level, padding was 96% of the loss."""
    stop, mask = 1, 0
    target = torch.full((1, 128), stop)
    target[0, :20] = torch.arange(2, 22)
    level = torch.tensor([0.04])
    torch.manual_seed(0)
    made = mask_tokens(target, level, mask, stop)
    logits = torch.zeros(1, 128, 32)
    assert made.certain is not None
    assert made.certain.sum() == 107
    sums = {
        weighting: loss_sums(
            logits, target, made.role, level, weighting=weighting, certain=made.certain
        )[TokenRole.MASK]
        for weighting in ("uniform", "paper", "official")
    }  # fmt: skip
    one = torch.log(torch.tensor(32.0))
    drawn = (made.role == TokenRole.MASK).sum() - 107
    assert sums["uniform"] == pytest.approx(float(one * (107 + drawn)), rel=1e-5)
    assert sums["paper"] == pytest.approx(float(one * (107 + drawn / 0.04)), rel=1e-5)
    assert sums["official"] == pytest.approx(float(one / 0.04), rel=1e-5)


def test_a_trained_stage_is_there_until_its_successor_is_whole(tmp_path: Path) -> None:
    first = toy(2).model_copy(update={"export": {}})
    train(first, tmp_path, only=["vision"])
    raw = first.model_dump(mode="json")
    raw["stages"]["vision"]["optimisation"] |= {"lr": 1e30, "optimizer": "adamw", "steps": 6}
    broken = Recipe.model_validate(raw)
    with pytest.raises(RuntimeError, match="not finite"):
        train(broken, tmp_path, only=["vision"])
    assert not is_done("vision", broken, tmp_path)
    made = (tmp_path / ".vision.before" / "stage.json").read_bytes()
    train(first, tmp_path, only=["vision"])
    assert is_done("vision", first, tmp_path)
    assert (tmp_path / "vision" / "stage.json").read_bytes() == made, "not trained again"
    assert (tmp_path / "vision" / "model").is_dir()
    assert read_log(tmp_path / "vision" / "log.jsonl")[-1]["step"] == 1
    raw["stages"]["vision"]["optimisation"] |= {"lr": 0.001, "steps": 3}
    train(Recipe.model_validate(raw), tmp_path, only=["vision"])
    assert not (tmp_path / ".vision.before").exists()


def test_a_pipe_shows_losses(root: Path, tmp_path: Path) -> None:
    start_from(root, tmp_path)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    for start in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]):
        done = subprocess.run(
            [sys.executable, *start, "-m", "rediff_eval", "train", "--recipe", recipe, "--out",
             tmp_path, "--stage", "stage1"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "stage1 (1 of 1): done, loss " in done.stderr
        shutil.rmtree(tmp_path / "stage1")


@pytest.mark.parametrize("setting", [{"facts_only": True}, {"facts_share": 0.5}])
def test_facts_are_masked_only_where_data_know_them(
    tmp_path: Path, setting: dict[str, float]
) -> None:
    spec, raw = data_of(tmp_path, [GOOD] * 4), recipe_of(tmp_path)
    raw["stages"]["stage1"] |= {"kind": "predict", **setting}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(raw, sort_keys=False))
    stages = [part for name in raw["stages"] for part in ("--stage", name)]
    with pytest.raises(RuntimeError, match=f"stage1' failed: '{next(iter(setting))}' takes data"):
        inside("train", "--recipe", recipe, "--checkpoint", tmp_path / "official",
               "--data", spec, "--out", tmp_path / "out", *stages)  # fmt: skip
