"""Names and ids are text, whatever pandas makes of them, and no row of a table is ever lost."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from browsing import packed_data
from PIL import Image
from programs import OWN_PICTURES, inside, numbers, program

from rediff_eval.results.numbers import read_csv
from rediff_eval.views.leaderboard import load, pivot, rankings

NAMES = ("NA", "None", "nan", "007", "1e5", "-x", "=1+1", "TRUE")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures with references, and a run for each name."""
    root = tmp_path_factory.mktemp("names")
    (root / "data").mkdir()
    rows = []
    for name in ("NA", "007"):
        Image.new("RGB", (8, 8)).save(root / "data" / f"{name}.png")
        rows.append({"image": f"{name}.png", "id": name, "references": [f"a dog {name}"]})
    (root / "data" / "captions.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    captions = root / "theirs.json"
    captions.write_text(json.dumps({"NA": "a dog", "007": "a cat"}))
    for number, name in enumerate(NAMES):
        inside("score", captions, "--task", OWN_PICTURES, "--data", root / "data", "--out",
               root / f"run{number}", f"--name={name}")  # fmt: skip
    return root


def test_a_file_of_numbers_is_read_as_it_is(tmp_path: Path) -> None:
    """Names stay text, empty numbers are none, and only what is asked for is read."""
    path = tmp_path / "samples.csv"
    path.write_text("model,id,steps,capture,other\nNA,007,80,0.1,\n1e5,,80,,\n-x,nan,80,1e-3,\n")
    frame = read_csv(path)
    assert frame["model"].tolist() == ["NA", "1e5", "-x"]
    assert frame["id"].tolist() == ["007", "", "nan"]
    assert frame["steps"].tolist() == [80, 80, 80]
    assert frame["steps"].dtype.kind == "i"
    assert frame["capture"].tolist() == pytest.approx([0.1, float("nan"), 1e-3], nan_ok=True)
    assert frame["other"].isna().all()
    assert frame["other"].dtype.kind == "f"
    assert list(read_csv(path, ["id", "capture", "gone"])) == ["id", "capture"]


@pytest.mark.parametrize("wrong", ["many", "True", "0,5", "NA"])
def test_what_is_no_number_is_named(wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text(f'model,capture\na,0.5\nb,"{wrong}"\n')
    with pytest.raises(ValueError, match=f"samples.csv: capture is not a number: '{wrong}'"):
        read_csv(path)


def test_every_name_is_in_every_table(place: Path) -> None:
    runs = [place / f"run{i}" for i in range(len(NAMES))]
    frame = load(runs)
    assert set(frame["model"]) == set(NAMES)
    ((_, table),) = rankings(frame, "rouge_l")
    assert set(table.index.get_level_values("model")) == set(NAMES)
    assert set(pivot(frame, "rouge_l").index.get_level_values("model")) == set(NAMES)
    out = program("leaderboard", *runs, "--metric", "rouge_l", "--format", "csv")
    assert {row["model"] for row in csv.DictReader(io.StringIO(out))} == set(NAMES)
    for form in ("table", "md", "html", "latex"):
        shown = program("leaderboard", *runs, "--metric", "rouge_l", "--format", form)
        assert all(name in shown for name in NAMES)
    out = program("compare", runs[0], runs[3], "--metric", "rouge_l")
    assert "NA given" in out
    assert "007 given" in out
    with (runs[0] / "samples.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["NA", "007"]


def test_two_files_of_one_name_are_two_models(place: Path, tmp_path: Path) -> None:
    runs = []
    for number, text in enumerate(("a dog NA", "nothing here")):
        (tmp_path / str(number)).mkdir()
        file = tmp_path / str(number) / "captions.json"
        file.write_text(json.dumps({"NA": text, "007": text}))
        runs.append(tmp_path / f"out{number}")
        inside("score", file, "--task", OWN_PICTURES, "--data", place / "data", "--out", runs[-1])
    ((_, table),) = rankings(load(runs), "rouge_l")
    values = [float(next(r["value"] for r in numbers(run) if r["metric"] == "rouge_l"))
              for run in runs]  # fmt: skip
    assert sorted(table["–"]) == pytest.approx(sorted(values))
    assert len(set(table.index.get_level_values("model"))) == 2
    ((_, same),) = rankings(load([runs[0], runs[0]]), "rouge_l")
    assert list(same["–"]) == pytest.approx(values[:1])


def test_rows_without_a_budget_stay(place: Path) -> None:
    frame = load([place / "run0", "results/scenes"])
    for by in (("model", "tokens_per_step", "steps"), ("model", "sampler", "steps")):
        ((_, table),) = rankings(frame, "rouge_l", by)[:1]
        assert len(table)
    ((_, table),) = rankings(load(["results/scenes"]), "capture", ("model", "tokens_per_step"))
    assert pd.isna(table.loc["ar"]).sum() == 3
    by = "model,tokens_per_step,steps"
    tex = program("leaderboard", "results/scenes", "--by", by, "--format", "latex")
    assert r"tokens\_per\_step" in tex
    page = program("leaderboard", "results/scenes", "--format", "html")
    assert "<th></th>" not in page
    assert "<th>tokens_per_step</th>" not in page


def test_a_report_of_pictures_that_moved(place: Path, tmp_path: Path) -> None:
    data = tmp_path / "moved"
    data.mkdir()
    for path in (place / "data").iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    inside("score", place / "theirs.json", "--task", OWN_PICTURES, "--data", data, "--out",
           tmp_path / "out")  # fmt: skip
    for path in data.iterdir():
        path.unlink()
    inside("report", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Without pictures and references" in page
    assert "a cat" in json.dumps(packed_data(tmp_path / "out" / "report.html"))


def test_a_locale_without_our_characters_ends_no_program(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rediff_eval", "leaderboard", place / "run0", "--metric", "rouge_l"],
        capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert b"NA" in done.stdout
