"""Every example runs as it is, outside the checkout, against the installed wheel."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image
from programs import numbers, program

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
EXAMPLES = Path(__file__).parents[2] / "examples"


class Outside:
    """A folder outside the checkout that holds the examples."""

    def __init__(self, folder: Path, installed: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(installed)}

    def python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rediff_eval(self, *arguments: str) -> str:
        return program(*arguments, cwd=self.folder, PYTHONPATH=self.environment["PYTHONPATH"])


@pytest.fixture
def outside(tmp_path: Path, installed: Path) -> Outside:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    found = Outside(tmp_path / "examples", installed)
    where = Path(found.python("-c", "import rediff_eval; print(rediff_eval.__file__)").strip())
    assert where.is_relative_to(installed)
    return found


def test_caption_one_image(outside: Outside) -> None:
    lines = outside.python("caption_one_image.py").splitlines()
    assert [line for line in lines if line.endswith("masks left")]
    assert lines[-1].startswith("Trace(")
    with Image.open(outside.folder / "trace.png") as picture:
        assert min(picture.size) > 200


def test_custom_sampler(outside: Outside) -> None:
    listed = outside.rediff_eval("list", "samplers", "--plugin", "custom_sampler.py")
    assert f"plug-in {outside.folder / 'custom_sampler.py'}" in listed
    assert "window=8" in listed
    outside.rediff_eval(
        "run", "--task", "capture", "--limit", "4", "--plugin", "custom_sampler.py",
        "--model", "rediff:leftmost", "--model", "rediff:leftmost,window=4|16",
        "--steps", "8", "--out", "run",
    )  # fmt: skip
    rows = numbers(outside.folder / "run")
    names = {row["sampler"] for row in rows}
    assert names == {"leftmost", "leftmost,window=4", "leftmost,window=16"}
    assert len({row["value"] for row in rows if row["metric"] == "capture"}) > 1


def test_a_sampler_joins_an_arena_as_its_page_says(outside: Outside) -> None:
    """The page's own grid and commands, on two pictures at two budgets."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition("A rule that uses the history")
    grid, arena, chosen = re.findall(r"```(?:yaml|sh)\n(.*?)```", before, flags=re.DOTALL)
    (outside.folder / "grid.yaml").write_text(re.sub(r"steps: .*", "steps: [4, 2]", grid))
    printed = ""
    for commands in (arena, chosen):
        for line in commands.replace("\\\n", " ").replace('"', "").splitlines():
            small, limits = re.subn(r"--limit \d+", "--limit 2", line)
            small = re.sub(r"--steps [\d,]+", "--steps 4,2", small.replace("examples/", ""))
            assert limits == (" run " in line), line
            printed += outside.rediff_eval(*small.split()[1:])
    for sampler in yaml.safe_load(grid)["samplers"]:
        assert sampler in printed
    assert "leftmost,window=" in (outside.folder / "chosen.yaml").read_text()


def test_custom_captioner(outside: Outside) -> None:
    outside.rediff_eval(
        "run", "--task", "capture", "--limit", "4", "--plugin", "custom_captioner.py",
        "--model", "colours", "--model", "colours:plain", "--model", "ar", "--out", "run",
    )  # fmt: skip
    rows = numbers(outside.folder / "run")
    assert {row["model"] for row in rows} == {"colours", "plain", "ar"}
    table = (outside.folder / "run" / "leaderboard.md").read_text()
    assert "| plain |" in table


def test_custom_metric_and_task(outside: Outside) -> None:
    """A metric of one's own is in every table and is what the plot shows, as its task says."""
    outside.rediff_eval(
        "run", "--plugin", "custom_metric.py", "--task", "custom_task/task.yaml",
        "--model", "rediff", "--out", "run",
    )  # fmt: skip
    run = outside.folder / "run"
    assert {row["steps"] for row in numbers(run) if row["metric"] == "vagueness"} == {"20", "10"}
    header = next(
        line for line in (run / "leaderboard.md").read_text().splitlines() if "| model" in line
    )
    assert "vagueness" in header
    assert (run / "quality.png").is_file()
    assert "vagueness" in (run / "samples.csv").read_text()
    # Views need no plug-in: how a metric is shown is in the results.
    outside.rediff_eval("report", "run")
    assert "vagueness" in (run / "report.html").read_text()
    assert "vagueness" in outside.rediff_eval("leaderboard", "run", "--metric", "vagueness")


def test_train_toy(outside: Outside) -> None:
    printed = outside.python("train_toy.py", "trained").splitlines()
    assert printed[-2].startswith("trained: vision,")
    model = outside.folder / "trained" / "checkpoints" / "rediff"
    told = outside.rediff_eval("caption", "scene:3", "--model", str(model), "--steps", "8")
    assert told.strip()
