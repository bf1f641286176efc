"""The benchmarks can be started: what they import is there, and they say what they measure."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rediff.captioners.known_models import shipped_folder

BENCHMARKS = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_has_a_main_and_says_how_it_is_started(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert callable(module.main)
    assert f"benchmarks/{path.name}" in (module.__doc__ or "")


def test_what_runs_on_a_gpu_is_rehearsed() -> None:
    script = Path(__file__).parent.parent / "benchmarks" / "gpu.sh"
    done = subprocess.run(
        [script, "--toy"], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHON": sys.executable},
    )  # fmt: skip
    assert "toy, full attention" in done.stdout
    assert "toy, prefix attention" in done.stdout
    assert done.stdout.count("the tokens of 2 rows are equal") == 2
    assert "rediff-8b-lora, toy" in done.stdout
    assert re.search(r"tokens a second \| [1-9]", done.stdout)


SHIPPED = shipped_folder()


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("neighbour", ["--neighbours", "0", "--scenes", "1"], "0 neighbours, sleeping: "),
        ("grounding", [SHIPPED / "base", "--scenes", "3"], "base | "),
        ("grounding", [SHIPPED / "base", "--scenes", "3", "--sentences", "--prefix"], "base | "),
        ("relations", [SHIPPED / "base", "--scenes", "12"], "base | "),
        (
            "scale",
            [
                "--conditions",
                "1,2",
                "--samples",
                "9",
                "--processes",
                "1",
                "--without",
                "score,rank,compare_two,report",
            ],
            "| power of conditions, 1 to 2, with 9 samples, 1 processes | ",
        ),
        ("ties", [SHIPPED / "ar", "--scenes", "3", "--ratio", "0.5"], "ar | 0.5 | "),
    ],
)
def test_a_small_benchmark_runs(name: str, arguments: list[str | Path], said: str) -> None:
    script = Path(__file__).parent.parent / "benchmarks" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    assert said in done.stdout
