"""Leaderboards: what can be compared is ranked together, and nothing else."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from programs import inside

from rediff_eval.benchmarks.task import paper_numbers
from rediff_eval.views.leaderboard import QUOTED, load, ranked, rankings
from rediff_eval.views.leaderboard_sheet import BEST, BEST_MEANS, as_sheet


@pytest.fixture(scope="module")
def runs(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs on the same samples, and one on fewer."""
    folder = tmp_path_factory.mktemp("runs")
    for name, model, limit in (
        ("a", "diffusion", 4),
        ("b", "autoregressive", 4),
        ("c", "diffusion", 3),
    ):
        inside("run", "--task", "capture", "--limit", str(limit), "--steps", "8,4", "--model",
               str(untrained / model), "--out", str(folder / name))  # fmt: skip
    return [folder / name for name in "abc"]


def test_other_data_is_another_ranking(runs: list[Path]) -> None:
    tables = rankings(load(runs), "bleu4")
    assert [list(table.index.get_level_values("model")) for _, table in tables] in (
        [["diffusion", "autoregressive"], ["diffusion"]],
        [["autoregressive", "diffusion"], ["diffusion"]],
    )
    assert len({title for title, _ in tables}) == 2
    assert all("by ngram" in title for title, _ in tables)


def test_another_scorer_is_another_ranking(runs: list[Path], tmp_path: Path) -> None:
    """The same files, but for the parser that made the number."""
    for file in runs[0].iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    results = json.loads((tmp_path / "results.json").read_text())
    results["manifest"]["scorers"]["capture"] = "factual"
    (tmp_path / "results.json").write_text(json.dumps(results))
    tables = rankings(load([runs[0], tmp_path]), "capture")
    assert [title.rpartition(", ")[2] for title, _ in tables] == ["by scene-graph", "by factual"]


def test_quoted_numbers_are_marked_and_apart() -> None:
    frame = load(["results/scenes"], paper=paper_numbers())
    ours, quoted = rankings(frame, "capture")
    assert QUOTED in quoted[0]
    assert "DetailCaps-4870" in quoted[0]
    assert QUOTED not in ours[0]
    assert quoted[1].loc[("ReDiff", ""), 1.0] == pytest.approx(0.6188)
    assert not set(quoted[1].index.get_level_values("model")) & {"rediff", "base"}
    with pytest.raises(ValueError, match="unknown metric 'clair'"):
        rankings(frame, "clair")


def test_rows_are_ordered_best_first() -> None:
    ((_, table),) = rankings(load(["results/scenes"]), "capture")
    assert list(table[1.0]) == sorted(table[1.0], reverse=True)


@pytest.mark.parametrize(("by", "columns"), [
    (["model", "steps"], [4.0, 8.0, 16.0]), (["sampler", "model"], ["value"]),
])  # fmt: skip
def test_other_columns(by: list[str], columns: list[object], runs: list[Path]) -> None:
    (_, table), *_ = rankings(load(runs[:2]), "nfe", by)
    assert list(table.columns) == columns
    assert table.index.names == [name for name in by if name != "steps"]
    with pytest.raises(ValueError, match="did you mean 'sampler'"):
        rankings(load(runs), "nfe", ["samplr"])


def test_long_forms_have_every_count(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    inside("leaderboard", str(runs[0]), "--metric", "bleu4", "--metric", "nfe", "--format", "json")
    rows = json.loads(capsys.readouterr().out)
    assert {row["metric"] for row in rows} == {"bleu4", "nfe"}
    assert {"value", "low", "high", "n", "failed", "unscored", "truncated"} <= rows[0].keys()
    inside("leaderboard", str(runs[0]), "--metric", "bleu4", "--format", "csv", "--paper")
    assert len(pd.read_csv(io.StringIO(capsys.readouterr().out))) == 2


def test_tables_for_people_say_how_sure_they_are(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = {}
    for form in ("md", "html", "latex", "table"):
        inside("leaderboard", *map(str, runs[:2]), "--metric", "bleu4", "--format", form)
        shown[form] = capsys.readouterr().out
    for form, text in shown.items():
        assert "2 tokens/step" in text, form
        assert " ".join(["Bold:", "the", "best", "of", "its", "column"]) in text
        assert text.count("[0.") == 3, "two budgets of one model, one of the other"
    assert shown["md"].count("**") >= 4
    assert "\\textbf{" in shown["latex"]
    assert "\\label{tab:bleu4-on-" in shown["latex"]


def test_counts_stay_whole_numbers(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    inside("leaderboard", str(runs[0]), "--metric", "nfe", "--by", "model,steps,sampler")
    wide = capsys.readouterr().out
    assert "8 steps" in wide
    assert "8.0" not in wide.replace("[8.0, 8.0]", "").replace("8.0 ", "")
    assert " 4 " in wide, "n"


def test_ties_are_bold_and_what_cannot_be_tested_says_so(runs: list[Path], tmp_path: Path) -> None:
    """The same run twice is a tie; without the values of samples the best mean alone is bold."""
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        for file in runs[0].iterdir():
            if file.is_file():
                text = file.read_bytes()
                if file.suffix in (".csv", ".json"):
                    text = text.replace(b"diffusion", name.encode())
                (tmp_path / name / file.name).write_bytes(text)
    both = [tmp_path / "x", tmp_path / "y"]
    (ranking,) = ranked(load(both), "bleu4")
    sheet = as_sheet(ranking, "bleu4", {})
    assert sheet.bold == {(0, 2), (0, 3), (1, 2), (1, 3)}
    assert list(sheet.notes) == [BEST]
    (tmp_path / "y" / "samples.csv").unlink()
    sheet = as_sheet(ranking, "bleu4", {})
    assert len(sheet.bold) == 2
    assert list(sheet.notes) == [BEST_MEANS]
