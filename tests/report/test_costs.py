"""What the page draws quality against."""

import json
import re
from pathlib import Path

import pytest
from programs import inside, program


@pytest.fixture(scope="module")
def run(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("costs") / "run"
    inside(
        "run", "--task", "capture", "--limit", "2", "--model", untrained / "diffusion",
        "--steps", "4,8", "--out", out,
    )  # fmt: skip
    return out


def axes(page: Path) -> list[str]:
    return re.findall(r'aria-label="capture against ([^"]+)"', page.read_text())


def test_a_run_knows_its_passes_and_operations_but_no_time(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    inside("report", run, "--out", page)
    assert axes(page) == ["tokens per step", "forward passes", "GFLOP a caption"]


def test_measured_times_are_added(run: Path, untrained: Path, tmp_path: Path) -> None:
    page, speed = tmp_path / "page.html", tmp_path / "speed"
    inside(
        "speed", "--model", untrained / "diffusion", "--steps", "4", "--rounds", "2",
        "--batch-size", "2", "--out", speed,
    )  # fmt: skip
    inside("report", run, "--speed", speed, "--out", page)
    assert axes(page)[-2:] == [
        "milliseconds a caption, batch 1",
        "milliseconds a caption, best batch",
    ]


def test_times_of_something_else_are_refused(run: Path, tmp_path: Path) -> None:
    said = program("report", run, "--speed", tmp_path, ok=2)
    assert "is not a folder of `rediff-eval speed`: it has no speed.json" in said
    row = {
        "model": "other", "sampler": "refine", "steps": 4, "latency": {"value": 1.0},
        "throughput": {"value": 1.0},
    }  # fmt: skip
    made = {"rows": [row], "guidance": 0.0, "models": {}}
    made["loading"] = json.loads((run / "results.json").read_text())["manifest"]["loading"]
    (tmp_path / "speed.json").write_text(json.dumps(made))
    said = program("report", run, "--speed", tmp_path, ok=2)
    assert "has measured none of the run's models, samplers and steps" in said
    (tmp_path / "speed.json").write_text(json.dumps({**made, "guidance": 1.0}))
    said = program("report", run, "--speed", tmp_path, ok=2)
    assert "measured with other weights, another loading or guidance" in said


def test_operations_are_in_every_table(run: Path) -> None:
    assert "gflop" in (run / "results.csv").read_text()
    assert "computed" in (run / "results.csv").read_text()
