"""Several processes and several micro-batches train as one process with one batch does."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest
import torch
import yaml
from PIL import Image
from programs import wait_until
from tiny_models import TOY

from rediff.models.checkpoint import Checkpoint
from rediff.training.collator import CaptionerForTraining
from rediff.training.draft_records import Draft, read_lines
from rediff.training.fingerprint import is_done
from rediff.training.logs import read_log
from rediff.training.optimisation import Optimisation
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.saved_states import STATE
from rediff.training.sharding import Sharding, zero3
from rediff.training.trainer_arguments import split_batch

STEPS = {"steps": 20, "batch_size": 8, "lr": 0.005, "save_every": 5}
RECIPE: dict[str, Any] = {
    "scenes": {"train": 24, "captions": 2},
    "model": TOY.model_dump(mode="json"),
    "stages": {
        "vision": {"kind": "vision", "optimisation": {"steps": 2, "batch_size": 8, "freeze": []}},
        "stage1": {"kind": "revise", "start": "vision", "optimisation": STEPS},
        "drafts": {"kind": "drafts", "start": "vision", "tokens_per_step": [8], "pictures": 9},
    },
    "export": {},
}
PARTS = {"fsdp2": "pytorch_model_fsdp_0/__1_*", "zero3": "global_step*/zero_pp_rank_1_*optim*"}
"""What the second process saves of its own."""


def shared(how: Sharding, **more: Any) -> dict[str, Any]:
    """The recipe with a stage whose weights are shared out, and one after it."""
    settings = {**STEPS, "optimizer": "adamw", "other_lr": 0.005}
    stages = {
        "stage1": {"kind": "revise", "start": "vision",
                   "optimisation": {**settings, "shard": how, **more}},
        "drafts": {**RECIPE["stages"]["drafts"], "start": "stage1"},
        "again": {"kind": "revise", "start": "stage1", "optimisation": settings},
    }  # fmt: skip
    return {**RECIPE, "stages": {"vision": RECIPE["stages"]["vision"], **stages}}


@pytest.fixture(params=get_args(Sharding))
def how(request: pytest.FixtureRequest) -> Sharding:
    """Each way to share weights out."""
    if request.param == "zero3":
        pytest.importorskip("deepspeed", reason="needs DeepSpeed: pip install 'rediff[zero3]'")
        if shutil.which("g++") is None:
            pytest.skip("DeepSpeed builds a part of itself with g++")
    way: Sharding = request.param
    return way


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, one micro-batch a step."""
    folder = tmp_path_factory.mktemp("one")
    train(Recipe.model_validate(RECIPE), folder)
    return folder


def start_from(root: Path, folder: Path) -> None:
    shutil.copytree(root / "vision", folder / "vision")


def losses(folder: Path, stage: str) -> list[dict[str, float]]:
    """What was logged, but for times; gradients are rounded, so their norm is."""
    return [
        {name: value for name, value in entry.items() if name.startswith("loss")}
        for entry in read_log(folder / stage / "log.jsonl")
    ]


def assert_same_losses(
    one: Path, other: Path, *, stage: str = "stage1", within: float = 2e-5, gone_on: bool = False
) -> None:
    """`gone_on`: the second log entry is the mean over the steps since the other went on."""
    expected, found = losses(one, stage), losses(other, stage)
    assert len(found) == len(expected) == 3
    if gone_on:
        expected, found = expected[::2], found[::2]
    assert {"loss_mask", "loss_syntax", "loss_hallucination", "loss_clean"} <= set(found[0])
    for a, b in zip(expected, found, strict=True):
        assert b == pytest.approx(a, rel=within, abs=within)  # logged with five digits


@pytest.mark.parametrize("option", [{"micro_batch": 2}, {"gradient_checkpointing": True}])
def test_what_saves_memory_changes_no_loss(
    option: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    raw = {**RECIPE, "stages": {**RECIPE["stages"]}}
    raw["stages"]["stage1"] = {
        **RECIPE["stages"]["stage1"],
        "optimisation": {**STEPS, **option},
    }
    start_from(root, tmp_path)
    train(Recipe.model_validate(raw), tmp_path, only=["stage1"])
    assert_same_losses(root, tmp_path)


def start_two(
    folder: Path, *stages: str, raw: dict[str, Any], program: Sequence[Any] = ("-m", "rediff_eval")
) -> subprocess.Popen[bytes]:
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(raw, sort_keys=False))
    command: list[Any] = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        *program, "train", "--recipe", recipe, "--out", folder,
        *(part for name in stages for part in ("--stage", name)),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, start_new_session=True)


def kill_behind_a_state(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Kills a training once it has saved a state, and before it is done."""
    states = folder / "stage1" / STATE
    wait_until(lambda: list(states.glob("checkpoint-*/trainer_state.json")), process)
    kill_all(process)
    assert not (folder / "stage1" / "stage.json").is_file()


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kills torchrun, and its workers, which have sessions of their own."""
    everyone = [*psutil.Process(process.pid).children(recursive=True), process]
    for one in everyone:
        one.kill()
    psutil.wait_procs(everyone[:-1])
    process.wait()


def train_in_two(folder: Path, *stages: str, raw: dict[str, Any] = RECIPE) -> None:
    assert start_two(folder, *stages, raw=raw).wait(300) == 0


def test_two_processes_start_from_nothing(tmp_path: Path) -> None:
    train_in_two(tmp_path, "vision")
    assert is_done("vision", Recipe.model_validate(RECIPE), tmp_path)


def test_processes_do_not_wait_for_pythons_ending(root: Path, tmp_path: Path) -> None:
    """What would abort them there, see `leave`, is not met."""
    program = tmp_path / "program.py"
    program.write_text(
        "import atexit, os\n"
        "from rediff_eval.cli import main\n"
        "atexit.register(os.abort)\n"
        "main()\n"
    )  # fmt: skip
    start_from(root, tmp_path)
    assert start_two(tmp_path, "vision", raw=RECIPE, program=[program]).wait(300) == 0


def test_a_state_is_whole_once_every_process_has_written_its_part(
    root: Path, tmp_path: Path
) -> None:
    """Killed while the second process writes: a state that lacks its part is none."""
    program = tmp_path / "program.py"
    program.write_text(
        "import pathlib, time\n"
        "from transformers import Trainer\n"
        "from rediff_eval.cli import main\n"
        "write = Trainer._save_rng_state\n"
        "def slowly(trainer, folder):\n"
        "    if trainer.args.process_index == 1:\n"
        "        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)\n"
        "        (pathlib.Path(folder) / 'rng_state_1.pth').touch()\n"
        "        time.sleep(600)\n"
        "    write(trainer, folder)\n"
        "    (pathlib.Path(folder) / 'written').write_text('by the first')\n"
        "Trainer._save_rng_state = slowly\n"
        "main()\n"
    )
    start_from(root, tmp_path)
    states = tmp_path / "stage1" / STATE
    process = start_two(tmp_path, "stage1", raw=RECIPE, program=[program])
    wait_until(lambda: list(states.glob("*/written")), process)
    wait_until(lambda: list(states.glob("*/rng_state_1.pth")), process)
    time.sleep(1)
    kill_all(process)
    assert not list(states.glob("*/trainer_state.json"))
    train_in_two(tmp_path, "stage1")
    assert_same_losses(root, tmp_path)


def test_two_processes_train_and_draft_as_one(root: Path, tmp_path: Path) -> None:
    start_from(root, tmp_path)
    train_in_two(tmp_path, "stage1", "drafts")
    assert_same_losses(root, tmp_path)
    one, two = (
        list(read_lines(folder / "drafts" / "drafts.jsonl", Draft)) for folder in (root, tmp_path)
    )
    assert [draft.id for draft in two] == [draft.id for draft in one]
    assert two == one
    assert not list((tmp_path / "drafts").glob("parts"))


def test_what_is_shared_out_is_rounded_as_what_is_whole(
    how: Sharding, root: Path, tmp_path: Path
) -> None:
    """In bfloat16, with accumulated gradients: gathered and reduced in float32."""
    raw = shared(how, precision="bfloat16", micro_batch=2)
    for name in ("one", "two"):
        start_from(root, tmp_path / name)
    train(Recipe.model_validate(raw), tmp_path / "one", only=["stage1"])
    train_in_two(tmp_path / "two", "stage1", raw=raw)
    assert_same_losses(tmp_path / "one", tmp_path / "two", within=1e-3)


def test_weights_shared_out_end_as_those_of_one_process(
    how: Sharding, root: Path, tmp_path: Path
) -> None:
    """Killed after a saved state and resumed, too; the checkpoint is one for any process, and the
    next stage's weights are whole."""
    raw = shared(how)
    for name in ("one", "two"):
        start_from(root, tmp_path / name)
    train(Recipe.model_validate(raw), tmp_path / "one", only=["stage1", "drafts", "again"])
    process = start_two(tmp_path / "two", "stage1", raw=raw)
    kill_behind_a_state(process, tmp_path / "two")
    (state, *_) = tmp_path.glob(f"two/stage1/{STATE}/checkpoint-*")
    assert list(state.glob(PARTS[how])), "the second process saved its part"
    train_in_two(tmp_path / "two", "stage1", "drafts", "again", raw=raw)
    for stage in ("stage1", "again"):
        one, two = (
            Checkpoint.load(tmp_path / name / stage / "model").model.state_dict()
            for name in ("one", "two")
        )
        assert one.keys() == two.keys()
        for name, tensor in one.items():
            torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-5)
        assert_same_losses(
            tmp_path / "one", tmp_path / "two", stage=stage, gone_on=stage == "stage1"
        )


def test_missing_deepspeed_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zero3, "is_deepspeed_available", lambda: False)
    with pytest.raises(ValueError, match=r"pip install 'rediff\[zero3\]'"):
        zero3.arguments()


def test_rounding_is_within_the_forward_pass(root: Path) -> None:
    """Whatever is set around it, as DeepSpeed switches autocast off there."""
    checkpoint = Checkpoint.load(root / "vision" / "model")
    picture = checkpoint.image_batch([Image.new("RGB", (8, 8))])
    given = (picture.tiles, picture.counts, picture.sizes, [[*checkpoint.prompt_ids(), 20, 21]], 2)
    for bfloat16, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        network = CaptionerForTraining(checkpoint.model, causal=False, bfloat16=bfloat16)
        with torch.autocast("cpu", enabled=False):
            assert network(*given).dtype == dtype


def test_a_batch_that_cannot_be_split_is_an_error() -> None:
    settings = Optimisation(steps=1, batch_size=12, micro_batch=4)
    assert split_batch(settings, 3) == (4, 1)
    assert split_batch(settings, 1) == (4, 3)
    with pytest.raises(ValueError, match="12 rows does not split into micro-batches of 4 on 2"):
        split_batch(settings, 2)
