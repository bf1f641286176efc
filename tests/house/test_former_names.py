"""What people have from before the names of version 0.1: commands, run folders, caches, models."""

import json
import shutil
from pathlib import Path

import pytest
from programs import inside, numbers, program

from rediff_eval.cli.renamed import RENAMED, with_current_names

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("former", "current"), RENAMED.items())
@pytest.mark.parametrize("equals", [False, True])
def test_a_former_option_is_taken_and_the_new_one_named(
    former: str, current: str, equals: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"{former}=3"] if equals else [former, "3"]
    wanted = [f"{current}=3"] if equals else [current, "3"]
    assert with_current_names(["run", *given, "--out", "x"]) == ["run", *wanted, "--out", "x"]
    assert capsys.readouterr().err == f"Note: {former} is now called {current}\n"
    assert with_current_names(["run", *wanted]) == ["run", *wanted]
    assert capsys.readouterr().err == ""


def test_every_renamed_option_is_an_option(tmp_path: Path) -> None:
    texts = [program(verb, "--help") for verb in ("run", "caption", "train", "arena")]
    for current in RENAMED.values():
        assert any(f"{current} " in text for text in texts), current
    told = program(
        "run", "--task", "capture", "--limit", "1", "--model", "rediff", "--steps", "8",
        "--traces", "1", "--grace=5", "--preset", "sound", "--out", tmp_path / "run",
    )  # fmt: skip
    for note in ("--traces is now called --keep-traces", "--grace is now called --worker-timeout",
                 "the preset sound is now called corrected"):  # fmt: skip
        assert told.count(note) == 1


def test_a_run_folder_of_before_opens_and_ranks_with_one_of_today(tmp_path: Path) -> None:
    """`results/scenes` in the form of the versions that said `sound`, and stored no labels."""
    former = tmp_path / "former"
    inside(
        "run", "--task", "capmas", "--limit", "2", "--model", "rediff", "--steps", "8",
        "--out", former,
    )  # fmt: skip
    shutil.copytree(former, tmp_path / "today")
    text = (former / "results.json").read_text()
    assert "clair corrected" in text
    record = json.loads(text.replace("clair corrected", "clair sound"))
    del record["metrics"]
    (former / "results.json").write_text(json.dumps(record))
    for name in ("leaderboard", "report", "compare"):
        folders = [former] if name == "report" else [former, tmp_path / "today"]
        metric = ["--metric", "clair"] if name != "report" else []
        program(name, *folders, *metric)
    told = program("leaderboard", former, tmp_path / "today", "--metric", "clair", "--format", "md")
    assert told.count("| rank") <= 1
    assert "sound" not in told


@pytest.mark.parametrize("run", sorted(p.parent.name for p in ROOT.glob("results/*/results.json")))
def test_reference_results_open(run: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / run, tmp_path / run)
    told = program("leaderboard", tmp_path / run, "--format", "csv")
    assert len(told.splitlines()) > 1
    rows = numbers(tmp_path / run)
    assert rows
