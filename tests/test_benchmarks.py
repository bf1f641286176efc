"""The benchmarks can be started: what they import is there, and they say what they measure."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rediff.captioners.known_models import shipped_folder

BENCHMARKS = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))


def loaded(path: Path) -> Any:
    """A benchmark as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_has_a_main_and_says_how_it_is_started(path: Path) -> None:
    module = loaded(path)
    assert callable(module.main)
    assert f"benchmarks/{path.name}" in (module.__doc__ or "")


def test_growth_is_a_power_of_one_number_with_the_others_fixed() -> None:
    scale = loaded(BENCHMARKS[0].parent / "scale.py")
    times = {(10, 1): (1.0, 0.01), (20, 1): (4.0, 0.02), (40, 1): (8.0, 0.02), (10, 8): (3.0, 0.02)}
    rows = [
        scale.Row(conditions, 5, processes, [(one, 9.0), (two, 9.0)])
        for (conditions, processes), (one, two) in times.items()
    ]
    assert [*scale.growth(rows, "conditions")] == [
        "| 10 to 20 conditions, with 5 samples, 1 processes | 2.00 | – |",
        "| 20 to 40 conditions, with 5 samples, 1 processes | 1.00 | – |",
    ]
    assert [*scale.growth(rows, "processes")] == [
        "| 1 to 8 processes, with 10 conditions, 5 samples | 0.53 | – |"
    ]
    assert [*scale.growth(rows, "samples")] == []


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
ALL_BUT_WAIT = "open,resume,score,rank,compare_two,report"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("neighbour", ["--neighbours", "0", "--scenes", "1"], "0 neighbours, sleeping: "),
        ("grounding", [SHIPPED / "base", "--scenes", "3"], "base | "),
        ("grounding", [SHIPPED / "base", "--scenes", "3", "--sentences", "--prefix"], "base | "),
        ("relations", [SHIPPED / "base", "--scenes", "12"], "base | "),
        (
            "scale",
            ["--conditions", "2", "--samples", "9", "--processes", "1", "--without", ALL_BUT_WAIT],
            "| captions | conditions | samples | processes | GB | wait |",
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
