"""`tasks/`, recipes and checkpoints are found from a checkout, an editable install and a wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAY_WHERE = (
    "import rediff_eval\n"
    "from rediff.training.recipe_files import find_recipe\n"
    "from rediff.captioners.known_models import shipped_models\n"
    "from rediff_eval.benchmarks.task import load_task, tasks_folder\n"
    "print(rediff_eval.__file__, tasks_folder(), load_task('capture').name,\n"
    "      find_recipe('scenes').name, *shipped_models(), sep='\\n')"
)
FOUND = ["capture", "scenes.yaml", "base", "control", "stage1", "rediff", "rediff-self", "ar"]


def say_where(cwd: Path, path: Path | None = None, *flags: str) -> list[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *flags, "-c", SAY_WHERE], cwd=cwd, env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_from_a_checkout() -> None:
    module, tasks, *found = say_where(ROOT, ROOT)
    assert Path(module) == ROOT / "rediff_eval" / "__init__.py"
    assert Path(tasks) == ROOT / "tasks"
    assert found == FOUND


def test_from_the_editable_install(tmp_path: Path) -> None:
    module, tasks, *found = say_where(tmp_path)
    assert Path(module) == ROOT / "rediff_eval" / "__init__.py"
    assert Path(tasks) == ROOT / "tasks"
    assert found == FOUND


def test_from_a_wheel_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    module, tasks, *found = say_where(tmp_path, installed)
    assert Path(module).is_relative_to(installed)
    assert Path(tasks) == installed / "rediff_eval" / "_tasks"
    assert found == FOUND


def test_the_wheel_runs_the_main_job_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "rediff_eval", "run", "--task", "capture", "--limit", "2",
         "--model", "rediff", "--steps", "10", "--out", "run"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, check=True,
        capture_output=True,
    )  # fmt: skip
    assert (tmp_path / "run" / "results.csv").is_file()


def test_the_wheel_brings_its_data(installed: Path, tmp_path: Path) -> None:
    """The page's template, judges' prompts, the paper's numbers, the table of models, workers."""

    def rediff_eval(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "rediff_eval", *arguments], cwd=tmp_path, check=True,
            env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout

    rediff_eval("run", "--task", "capmas", "--limit", "1", "--model", "rediff", "--steps", "10",
                "--out", "run")  # fmt: skip
    rediff_eval("report", "run")
    assert "trace-slider" in (tmp_path / "run" / "report.html").read_text()
    assert "quoted from arXiv" in rediff_eval("leaderboard", "run", "--paper", "--metric", "clair")
    assert "ReDiff-8B" in rediff_eval("list", "models")
    assert (installed / "rediff" / "captioners" / "workers" / "reference.py").is_file()
    assert (installed / "rediff" / "captioners" / "workers" / "README.md").is_file()


def test_what_would_be_released_is_in_order(tmp_path: Path) -> None:
    """The sdist, and the wheel that is built from it."""
    pytest.importorskip("twine", reason="needs twine")

    def run(*arguments: str | Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("build", "--no-isolation", "--outdir", tmp_path, ROOT)
    run("twine", "check", "--strict", *tmp_path.iterdir())
    assert {path.suffix for path in tmp_path.iterdir()} == {".gz", ".whl"}
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    assert {"rediff/py.typed", "rediff_eval/py.typed"} <= names
    assert "rediff/checkpoints/rediff/model.safetensors" in names
    assert "rediff_eval/_tasks/capture/task.yaml" in names
    assert not {name for name in names if name.startswith(("tests", "examples", "docs"))}
