"""The whole recipe at toy size: stages run, stand alone, resume, and are skipped when done."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from asking import about
from programs import killed_when, wait_until
from rich.console import Console
from toy_recipes import saved_states, toy, weights

from rediff.captioners.base import Decoding
from rediff.captioners.model_folder import load_captioner
from rediff.decoding.registry import find_sampler
from rediff.scenes.dataset import load_scenes
from rediff.training.draft_records import DRAFTS, Correction, Draft, read_lines
from rediff.training.fingerprint import is_done
from rediff.training.logs import TELL_EVERY, Count, read_log
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff.training.reports import StageReport, read_progress
from rediff.training.saved_states import STATE
from rediff.training.stages.base import Run
from rediff_eval.progress import StageProgress


def test_every_export_captions(trained: Path) -> None:
    recipe = toy()
    images = load_scenes("validation", 2)["image"][:]
    for name, export in recipe.export.items():
        captioner = load_captioner(trained / "checkpoints" / name)
        if captioner.capabilities.takes_samplers:
            assert captioner.capabilities.sampler == export.sampler
        decoding = Decoding(sampler=find_sampler(export.sampler), steps=8)
        assert len(captioner.caption(about(images), decoding)) == 2


def test_shipped_names_are_exported(trained: Path) -> None:
    names = {path.name for path in (trained / "checkpoints").iterdir()}
    assert names == {"base", "control", "stage1", "rediff", "rediff-self", "ar"}


def test_two_stages_share_the_pictures(trained: Path, tmp_path: Path) -> None:
    raw = toy().model_dump(mode="json")
    drafts = {"kind": "drafts", "start": "control", "tokens_per_step": [8], "pictures": 6}
    for name, skip in (("first", 0), ("second", 6), ("third", 40)):
        raw["stages"][name] = {**drafts, "skip": skip}
    recipe = Recipe.model_validate(raw)
    shutil.copytree(trained / "control", tmp_path / "control")
    train(recipe, tmp_path, only=["first", "second"])
    first, second = (
        [draft.id for draft in read_lines(tmp_path / name / DRAFTS, Draft)]
        for name in ("first", "second")
    )
    items = Run(toy(), trained, trained / "any").items("captions", "describe it .")
    assert first + second == [item.id for item in items[:12]]
    with pytest.raises(RuntimeError, match="skip: 40 leaves none of the 40 pictures of captions"):
        train(recipe, tmp_path, only=["third"])


def test_a_finished_recipe_has_nothing_left_to_do(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "all")
    assert train(toy(), tmp_path / "all") == []


def test_other_settings_make_a_stage_and_all_after_it_again(trained: Path) -> None:
    raw = toy().model_dump(mode="json")
    raw["stages"]["stage1"]["syntax_rate"] = 0.2
    other = Recipe.model_validate(raw)
    undone = [name for name in other.stages if not is_done(name, other, trained)]
    assert undone[0] == "stage1"
    assert {"drafts", "oracle", "stage2"} <= set(undone)
    assert not {"base", "control", "left-to-right"} & set(undone)


def test_a_stage_runs_alone_and_needs_what_it_needs(trained: Path, tmp_path: Path) -> None:
    recipe = toy()
    with pytest.raises(ValueError, match="stage 'stage1' needs 'base', which is not done"):
        train(recipe, tmp_path, only=["stage1"])
    with pytest.raises(ValueError, match="unknown stage 'stage3'"):
        train(recipe, tmp_path, only=["stage3"])
    shutil.copytree(trained / "base", tmp_path / "base")
    assert train(recipe, tmp_path, only=["stage1"]) == ["stage1"]
    first, second = weights(trained / "stage1"), weights(tmp_path / "stage1")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_killed_stage_goes_on_where_it_was(trained: Path, tmp_path: Path) -> None:
    raw = toy().model_dump(mode="json")
    raw["stages"]["stage1"]["optimisation"]["steps"] = 24
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    recipe = Recipe.load(tmp_path / "recipe.yaml")
    shutil.copytree(trained / "base", tmp_path / "base")
    folder = tmp_path / "stage1"
    killed = killed_when(
        partial(saved_states, folder),
        "train", "--recipe", tmp_path / "recipe.yaml", "--out", tmp_path, "--stage", "stage1",
    )  # fmt: skip
    assert killed == -signal.SIGKILL
    assert not is_done("stage1", recipe, tmp_path)
    torn = folder / STATE / "checkpoint-23"
    torn.mkdir(exist_ok=True)
    (torn / "trainer_state.json").unlink(missing_ok=True)

    assert train(recipe, tmp_path, only=["stage1"]) == ["stage1"]
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert sum(line["step"] == 1 for line in lines) == 1
    assert read_log(folder / "log.jsonl")[-1]["step"] >= 20
    assert all(tensor.isfinite().all() for tensor in weights(folder).values())


def test_a_stage_ends_with_the_process_that_started_it(trained: Path, tmp_path: Path) -> None:
    """Started again, a second one would train in the same folder."""
    raw = toy().model_dump(mode="json")
    raw["stages"]["stage1"]["optimisation"]["steps"] = 100_000
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    shutil.copytree(trained / "base", tmp_path / "base")
    process = subprocess.Popen(
        [sys.executable, "-m", "rediff_eval", "train", "--recipe", tmp_path / "recipe.yaml",
         "--out", tmp_path, "--stage", "stage1"],
    )  # fmt: skip
    wait_until(lambda: saved_states(tmp_path / "stage1"), process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_a_process_that_dies_without_a_word_is_told_of(trained: Path, tmp_path: Path) -> None:
    raw = toy().model_dump(mode="json")
    raw["stages"]["stage1"]["optimisation"]["steps"] = 100_000
    shutil.copytree(trained / "base", tmp_path / "base")

    def kill() -> None:
        while not saved_states(tmp_path / "stage1"):
            time.sleep(0.02)
        for child in psutil.Process().children(recursive=True):
            started = " ".join(child.cmdline())
            forked = "forkserver" in started and child.ppid() != os.getpid()
            if forked or "spawn_main" in started:
                child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RuntimeError, match="the process of stage 'stage1' died"):
        train(Recipe.model_validate(raw), tmp_path, only=["stage1"])
    killer.join()


def test_a_folder_that_is_no_stages_is_left_alone(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "base", tmp_path / "base")
    (tmp_path / "stage1").mkdir()
    (tmp_path / "stage1" / "picture.png").write_bytes(b"mine")
    with pytest.raises(ValueError, match="stage1 holds something else than a stage"):
        train(toy(), tmp_path, only=["stage1"])
    assert (tmp_path / "stage1" / "picture.png").read_bytes() == b"mine"


def test_chosen_stages_run_in_the_recipes_order(trained: Path, tmp_path: Path) -> None:
    """Each but once: a stage that is made again must not be read before."""
    shutil.copytree(trained / "base", tmp_path / "base")
    chosen = ["drafts", "stage1", "drafts"]
    assert train(toy(), tmp_path, only=chosen, jobs=1) == ["stage1", "drafts"]


def test_drafts_go_on_behind_a_line_broken_off_within_a_letter(
    trained: Path, tmp_path: Path
) -> None:
    for need in ("base", "stage1"):
        shutil.copytree(trained / need, tmp_path / need)
    (tmp_path / "drafts").mkdir()
    shutil.copy(trained / "drafts" / "settings.json", tmp_path / "drafts")
    whole = (trained / "drafts" / "drafts.jsonl").read_bytes()
    first = whole.index(b"\n") + 1
    torn = whole[:first] + b'{"id": "\xc4'
    (tmp_path / "drafts" / "parts").mkdir()
    (tmp_path / "drafts" / "parts" / "rank-0.jsonl").write_bytes(torn)
    assert train(toy(), tmp_path, only=["drafts"]) == ["drafts"]
    assert (tmp_path / "drafts" / "drafts.jsonl").read_bytes() == whole


def test_what_is_frozen_must_be_there(trained: Path, tmp_path: Path) -> None:
    raw = toy().model_dump(mode="json")
    raw["stages"]["stage1"]["optimisation"]["freeze"] = ["vision_towr"]
    shutil.copytree(trained / "base", tmp_path / "base")
    with pytest.raises(RuntimeError, match="'freeze' names no module of the model: 'vision_towr'"):
        train(Recipe.model_validate(raw), tmp_path, only=["stage1"])


def test_other_experts_correct_the_same_drafts(trained: Path, tmp_path: Path) -> None:
    recipe = toy(name="ablations")
    for need in ("base", "stage1", "drafts", "oracle"):
        shutil.copytree(trained / need, tmp_path / need)
    arms = ["weak", "self", "stage2-self", "stage1-tied"]
    assert sorted(train(recipe, tmp_path, only=arms)) == sorted(arms)
    by_expert = {
        name: list(read_lines(tmp_path / name / "corrections.jsonl", Correction))
        for name in ("oracle", "weak", "self")
    }
    drafts = [correction.draft for correction in by_expert["oracle"]]
    for corrections in by_expert.values():
        assert [correction.draft for correction in corrections] == drafts
    assert by_expert["weak"] != by_expert["oracle"]
    same_picture = {c.corrected() for c in by_expert["self"] if c.draft.id == drafts[0].id}
    assert len(same_picture) == 1, "every draft of a picture is led to one decode"
    nfe = json.loads((tmp_path / "self" / "cost.jsonl").read_text())["nfe"]
    assert nfe >= len({draft.id for draft in drafts})


def test_an_export_needs_what_it_needs_and_no_more() -> None:
    recipe = Recipe.load(find_recipe("ablations"))
    assert list(recipe.only(["stage1-only"]).stages) == [
        "vision", "ground", "align", "left-to-right", "facts", "base", "stage1",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="did you mean 'stage1-tied'"):
        recipe.only(["stage1-tide"])


def test_a_stage_without_steps_counts_its_drafts(tmp_path: Path) -> None:
    folder = tmp_path / "drafts"
    folder.mkdir()
    assert read_progress("drafts", tmp_path) == StageReport("drafts")
    with Count(folder, 40) as advance:
        advance(0)
        assert read_progress("drafts", tmp_path).steps == 40
        advance.told = -TELL_EVERY
        advance(30)
        report = read_progress("drafts", tmp_path)
        assert (report.step, report.steps, report.loss) == (30, 40, None)
        console = Console(file=StringIO(), width=100)
        StageProgress(console)(report)
        spoken = StageProgress(console)
        spoken.spoken["drafts"] = -1e9
        spoken(report)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "drafts: step 30/40, 0 s left" in text
    assert list(folder.iterdir()) == []


def test_a_stage_at_work_says_its_place_rate_and_losses() -> None:
    console = Console(file=StringIO(), width=100)
    spoken = StageProgress(console, stages=["base", "control"])
    told = StageReport("control", 30, 40, 1.25, 1.5, 0.004, seconds=60.0)
    for report in (StageReport("control"), told, replace(told, step=40, finished=True)):
        spoken(report)
        spoken.spoken["control"] = -1e9
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "control (2 of 2): started",
        "control (2 of 2): step 30/40, loss 1.250, validation 1.500, lr 0.004, 0.5/s, 20 s left",
        "control (2 of 2): done, loss 1.250, validation 1.500 at step 40/40",
    ]


def test_drafts_and_corrections_fit_each_other(trained: Path) -> None:
    drafts = list(read_lines(trained / "drafts" / "drafts.jsonl", Draft))
    corrections = list(read_lines(trained / "oracle" / "corrections.jsonl", Correction))
    assert [c.draft for c in corrections] == drafts
    assert {d.tokens_per_step for d in drafts} == {2, 4, 8}
    for correction in corrections:
        assert len(correction.corrected()) == len(correction.draft.words) == 80


def test_a_broken_line_is_named(trained: Path, tmp_path: Path) -> None:
    lines = (trained / "drafts" / "drafts.jsonl").read_text().splitlines()
    (tmp_path / "d.jsonl").write_text("\n".join([lines[0], '{"id": 3}']))
    with pytest.raises(ValueError, match=r"d\.jsonl:2"):
        list(read_lines(tmp_path / "d.jsonl", Draft))


def test_loss_parts_are_logged(trained: Path) -> None:
    def parts(stage: str) -> set[str]:
        return {key for entry in read_log(trained / stage / "log.jsonl") for key in entry}

    assert {"loss_mask", "loss_syntax", "loss_hallucination", "loss_clean"} <= parts("stage1")
    assert {"loss_edit", "loss_keep", "loss_mask"} <= parts("stage2")
    done = json.loads((trained / "stage1" / "stage.json").read_text())
    assert {"fingerprint", "torch", "seconds"} <= set(done)
