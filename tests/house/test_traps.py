"""Traps that moving a file can spring: what a key covers, what is shown, what names the harness."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rediff_eval.captioning.caption_key import code_files
from rediff_eval.metrics.base import METRICS
from rediff_eval.results.finished import metric_infos
from rediff_eval.views.columns import is_hidden

ROOT = Path(__file__).parents[2]
KEEPS_THE_CAPTION = {
    "benchmarks/sample.py", "benchmarks/scenes.py", "progress.py", "preflight.py", "sanitize.py",
}  # fmt: skip
"""Files of the harness that run while captions are made, and change none of them."""
TRACER = """
import json, sys
from pathlib import Path
import rediff, rediff_eval
from rediff_eval.captioning import runner
from rediff_eval.cli import cli
roots = [str(Path(m.__file__).parent) for m in (rediff, rediff_eval)]
called = set()
def look(frame, event, argument):
    name = frame.f_code.co_filename
    if event == "call" and name.startswith(tuple(roots)):
        called.add(name)
captioning = runner.CaptionRunner.caption_all
def traced(*arguments):
    sys.setprofile(look)
    try:
        return captioning(*arguments)
    finally:
        sys.setprofile(None)
runner.CaptionRunner.caption_all = traced
cli.main(sys.argv[1:], standalone_mode=False)
print(json.dumps(sorted(called)))
"""


@pytest.mark.parametrize("model", ["rediff", "ar"])
def test_a_captions_key_covers_all_code_that_made_it(model: str, tmp_path: Path) -> None:
    """A renamed folder that dropped out of the key would have stale captions reused."""
    arguments = ["run", "--task", "capture", "--limit", "1", "--model", model, "--steps", "4"]
    done = subprocess.run(
        [sys.executable, "-c", TRACER, *arguments, "--out", str(tmp_path / "run")],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    called = {Path(name) for name in json.loads(done.stdout.splitlines()[-1])}
    assert any(path.name == "checkpoint.py" for path in called)
    covered = {path.resolve() for path in code_files()}
    package = ROOT / "rediff_eval"
    left = {path for path in called if path.resolve() not in covered}
    assert {str(path.relative_to(package)) for path in left} <= KEEPS_THE_CAPTION


def results_of(arguments: list[str], folder: Path) -> tuple[dict[str, object], list[str]]:
    """The results of a run or of scored captions, and the header of its table."""
    subprocess.run(
        [sys.executable, "-m", "rediff_eval", *arguments, "--out", str(folder)],
        cwd=folder.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    table = (folder / "leaderboard.md").read_text().splitlines()
    header = next(line for line in table if line.startswith("| model"))
    return json.loads((folder / "results.json").read_text()), header.strip("| ").split(" | ")


@pytest.mark.parametrize("task", ["capture", "capmas", "caparena", "scenes-qa"])
def test_every_metric_is_shown(task: str, tmp_path: Path) -> None:
    """A metric is in the table of the run that measured it, or is named as a part of another."""
    steps = [] if task == "scenes-qa" else ["--steps", "8"]
    arguments = ["run", "--task", task, "--limit", "2", "--model", "rediff", *steps]
    results, header = results_of(arguments, tmp_path / "run")
    (cell, *_) = results["cells"]  # type: ignore[misc]
    measured = set(cell["metrics"])
    assert measured
    infos = metric_infos(results)
    assert measured == infos.keys()
    hidden = {name for name in measured if is_hidden(name, measured, infos)}
    assert measured - hidden == set(header) & measured
    assert set(METRICS) >= set(results["manifest"]["task"]["metrics"])  # type: ignore[index]


def strings(path: Path) -> list[str]:
    """The string literals of a Python file, documentation included; the text of any other."""
    if path.suffix != ".py":
        return [path.read_text(encoding="utf-8")]
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


ALLOWED = {("batch.py", "rediff_eval")}
"""The mark by which batches on a server, made before, are found again."""


def test_no_string_of_the_method_names_the_harness() -> None:
    """What a message says about the command comes from the command line."""
    for path in (ROOT / "rediff").rglob("*"):
        if path.suffix not in (".py", ".yaml", ".txt", ".md"):
            continue
        for text in strings(path):
            if (path.name, text) in ALLOWED:
                continue
            assert "rediff-eval" not in text, path
            assert "rediff_eval" not in text, path
            if "workers" not in path.parts and path.suffix == ".py":
                options = [word for word in text.split() if word.startswith("--") and len(word) > 2]
                assert set(options) <= {"--nproc-per-node"}, (path, options)


def test_the_tree_in_the_docs_is_the_tree() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "rediff", "rediff_eval"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    ).stdout.splitlines()  # fmt: skip
    folders = {str(Path(name).parent) for name in tracked if "checkpoints/" not in name}
    folders |= {"rediff/checkpoints"}
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert told == folders - {"rediff", "rediff_eval"}
