"""What is refused in one sentence before anything is made, loaded or written over."""

import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from programs import OWN_PICTURES, inside

import rediff
from rediff.captioners.sources import check_device, find_model
from rediff.decoding.registry import SAMPLERS
from rediff.decoding.sampler import RuleSampler
from rediff.io.strict_yaml import read_yaml
from rediff.scenes.dataset import load_scenes
from rediff_eval.benchmarks.load import load_kind
from rediff_eval.benchmarks.task import load_task
from rediff_eval.cli import cli, in_words
from rediff_eval.cli.run import to_captioning
from rediff_eval.results.finished import RUN_FILES, finished
from rediff_eval.serving.settings import ServerSettings


def own_pictures(folder: Path) -> Path:
    """A folder of a picture whose captions have a name that runs write, too."""
    folder.mkdir()
    load_scenes("validation", 1)["image"][0].save(folder / "a.png")
    (folder / "captions.jsonl").write_text('{"image": "a.png", "references": ["one red circle."]}')
    return folder


def test_no_run_writes_over_what_is_not_of_a_run(untrained: Path, tmp_path: Path) -> None:
    mine = own_pictures(tmp_path / "mine")
    before = (mine / "captions.jsonl").read_text()
    run = ("run", "--task", OWN_PICTURES, "--data", mine, "--model", untrained / "diffusion")
    with pytest.raises(ValueError, match=r"captions\.jsonl is there and of no run"):
        inside(*run, "--steps", "2", "--out", mine)
    assert (mine / "captions.jsonl").read_text() == before
    assert sorted(path.name for path in mine.iterdir()) == ["a.png", "captions.jsonl"]
    inside(*run, "--steps", "2", "--out", tmp_path / "run")
    made = {path.name for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert made <= {*RUN_FILES, "settings.sha256"}
    inside(*run, "--steps", "4,2", "--out", tmp_path / "run")
    with pytest.raises(ValueError, match="holds a finished run"):
        inside("speed", "--model", untrained / "diffusion", "--out", tmp_path / "run")


@pytest.mark.parametrize("grid", [False, True])
def test_samplers_are_named_in_one_place(untrained: Path, tmp_path: Path, grid: bool) -> None:
    named = f"{untrained / 'diffusion'}:mask-predict"
    (tmp_path / "grid.yaml").write_text(f"models: ['{named}']\nsamplers: [refine]\n")
    asked = (
        ("--grid", tmp_path / "grid.yaml") if grid else ("--model", named, "--sampler", "refine")
    )
    with pytest.raises(ValueError, match="mask-predict names a sampler, and others are named"):
        inside("run", "--task", "capture", "--limit", "1", *asked, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_known_models_own_sampler_gives_way() -> None:
    """That of ReDiff-8B is not one that somebody has asked for."""
    asked = {"models": ("ReDiff-8B",), "samplers": ("gated",), "steps": None, "model_seed": 0}
    config = to_captioning(asked)
    assert find_model("ReDiff-8B").sampler
    assert [source.sampler for source in config.models] == [None]
    assert config.samplers == ("gated",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'' is not a whole name"),
        ("captions:", "'captions:' is not a whole name"),
        ("rediff:", "'rediff:' is not a whole name"),
        ("./nowhere", r"no folder \./nowhere"),
        ("/no/where", "no folder /no/where"),
        ("redif", "did you mean 'rediff'"),
    ],
)
def test_models_that_no_name_means(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_model(name)


def test_a_device_is_one_that_is_there() -> None:
    check_device(None)
    check_device("cpu")
    with pytest.raises(ValueError, match="no device is called 'gpu'"):
        check_device("gpu")
    number = torch.cuda.device_count()
    with pytest.raises(ValueError, match=f"no device 'cuda:{number}': torch sees"):
        check_device(f"cuda:{number}")
    with pytest.raises(ValueError, match=f"no device 'cuda:{number}'"):
        rediff.load("rediff", device=f"cuda:{number}")
    with pytest.raises(ValueError, match=f"no device 'cuda:{number}'"):
        inside("caption", "scene:3", "--device", f"cuda:{number}")


def test_budgets_and_numbers_of_a_task_are_above_0(tmp_path: Path) -> None:
    text = re.sub(r"tokens_per_step: .*", "tokens_per_step: [0]", OWN_PICTURES.read_text())
    (tmp_path / "task.yaml").write_text(text)
    with pytest.raises(ValueError, match="greater than 0"):
        load_task(str(tmp_path / "task.yaml"))
    assert not load_kind("scenes", load_task("capture"), 0, None).samples


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("metrics: capture", "metrics: expected a list, got 'capture'"),
        ("limit: 1.5", "limit: expected a whole number, got 1.5"),
        ("summary: [a]", r"summary: expected text, got \['a'\]"),
        ("scenes: test", "scenes: expected keys with values, got 'test'"),
        ("main_metric:", "main_metric: expected text, got nothing"),
        (
            "official: {name: a, loader: coco, metrics: [], main_metric: a}",
            "official.loader: expected 'detailcaps', .* got 'coco'",
        ),
        ("", "main_metric: missing"),
    ],
)
def test_a_value_of_another_kind_is_said_in_plain_words(
    tmp_path: Path, line: str, said: str
) -> None:
    name = line.partition(":")[0] or "main_metric"
    kept = [old for old in OWN_PICTURES.read_text().splitlines() if not old.startswith(name)]
    (tmp_path / "task.yaml").write_text("\n".join([*kept, line]))
    with pytest.raises(ValueError, match=said):
        load_task(str(tmp_path / "task.yaml"))


def test_a_main_metric_is_one_that_the_task_measures(untrained: Path, tmp_path: Path) -> None:
    text = re.sub(r"main_metric: .*", "main_metric: captur", OWN_PICTURES.read_text())
    (tmp_path / "task.yaml").write_text(text)
    mine = own_pictures(tmp_path / "mine")
    with pytest.raises(ValueError, match=r"unknown main_metric 'captur'; did you mean 'captur"):
        inside(
            "run", "--task", tmp_path / "task.yaml", "--data", mine,
            "--model", untrained / "diffusion", "--steps", "2", "--out", tmp_path / "run",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_training_refuses_before_it_plans_or_trains() -> None:
    said = CliRunner().invoke(cli, ["train", "--limit", "-3", "--plan"])
    assert said.exit_code == 2
    with pytest.raises(ValueError, match="unknown stage 'stag2'; did you mean 'stage2'"):
        inside("train", "--stage", "stag2", "--plan")
    said = CliRunner().invoke(cli, ["train", "--stage", "stage2", "--stage", "oracle", "--plan"])
    assert "2 stages" in said.output
    assert "distilled" not in said.output


@pytest.mark.parametrize("name", ["rediff", "folder"])
def test_a_list_of_pictures_is_planned_from_a_model_by_its_name(
    untrained: Path, tmp_path: Path, name: str
) -> None:
    mine = own_pictures(tmp_path / "mine") / "captions.jsonl"
    model = untrained / "diffusion" if name == "folder" else name
    asked = ["train", "--recipe", "finetune", "--data", mine, "--checkpoint", model, "--plan"]
    said = CliRunner().invoke(cli, [str(word) for word in asked])
    assert said.exception is None
    assert "finetune" in said.output
    without = CliRunner().invoke(cli, [str(word) for word in asked[:5]] + ["--plan"])
    assert without.exception is None
    with pytest.raises(ValueError, match="did you mean 'rediff'"):
        inside(*asked[:5], "--checkpoint", "redif")


def test_a_server_says_by_which_option_it_takes_a_key() -> None:
    with pytest.raises(ValueError, match="--api-key-env"):
        ServerSettings(host="0.0.0.0")


def test_runs_that_are_none_and_runs_named_twice(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.json").write_text("{}")
    again = tmp_path / "run" / ".." / "run"
    assert len(finished([tmp_path / "run", again], pytest.fail)) == 1
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        finished([tmp_path / "nowhere"], pytest.fail)


def test_the_library_takes_a_sampler_and_no_budget_of_0(untrained: Path) -> None:
    picture = load_scenes("validation", 1)["image"][0]
    with rediff.load(untrained / "diffusion") as model:
        own = model.caption(picture, sampler=RuleSampler(name="mine"), steps=4)
        named = model.caption(picture, sampler="mask-predict", steps=4)
        assert own.text == named.text
        for steps in (0, -1):
            with pytest.raises(ValueError, match=f"`steps`: .* from 1 on, got {steps}"):
                model.caption(picture, steps=steps)


def test_a_message_is_one_line_with_the_options_that_there_are() -> None:
    said = in_words("Error: the split `test` of\n  it; `max_failures` allows more")
    assert said == "Error: the split `test` of it; --max-failures allows more"


def test_broken_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("models: [rediff]\nsteps: [80\nsamplers: [refine]\n")
    with pytest.raises(ValueError, match=r"a\.yaml:3: not valid YAML: expected ',' or '\]'"):
        read_yaml(tmp_path / "a.yaml")


def test_a_sampler_that_fails_in_one_caption_is_named(untrained: Path, tmp_path: Path) -> None:
    path = tmp_path / "theirs.py"
    path.write_text(
        "from rediff import register_sampler\n"
        "class Odd:\n"
        "    name = 'odd'\n"
        "    def decode(self, *given, **more):\n"
        "        return given[9]\n"
        "register_sampler('odd')(Odd)\n"
    )
    with pytest.raises(RuntimeError, match=r"'odd' failed: IndexError: .* \(theirs\.py:5\)"):
        inside(
            "caption", "scene:3", "--model", untrained / "diffusion", "--sampler", "odd",
            "--plugin", path,
        )  # fmt: skip
    del SAMPLERS.entries["odd"]
