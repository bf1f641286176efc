"""Runs laid out as the paper's tables."""

from pathlib import Path
from typing import Any

import pytest
from programs import inside

from rediff_eval.views.paper import LAYOUTS, lay_out, to_markdown


@pytest.fixture(scope="module")
def finished(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("paper") / "run"
    inside("run", "--task", "capture", "--model", untrained / "diffusion", "--steps", "16,4",
           "--limit", "3", "--out", out)  # fmt: skip
    return out


@pytest.mark.parametrize("number", LAYOUTS)
def test_the_paper_s_numbers_are_quoted(number: str) -> None:
    table = lay_out(number, [])
    quoted = {"1": ("ReDiff", "76.74"), "3": ("ReDiff", "76.74"), "4": ("both", "76.74"),
              "5": ("syntax only", "69.48"), "6": ("second round", "76.10")}  # fmt: skip
    name, value = quoted[number]
    assert any(name in row and value in row for row in table.rows)
    assert all(len(row) == len(table.header) for row in table.rows)
    assert all("quoted" in row for row in table.rows)


def test_runs_stand_beside_them_and_say_what_they_are(finished: Path, capsys: Any) -> None:
    table = lay_out("1", [finished])
    own = [row for row in table.rows if "quoted" not in row]
    assert [row[0] for row in own] == ["diffusion (mask-predict)"]
    assert own[0][1] == "runs *"
    assert "±" in own[0][table.header.index("capture")]
    assert own[0][table.header.index("clair")] == "–"
    assert all("not the paper's data, not comparable" in note for note in table.notes)
    budgets = [row for row in lay_out("3", [finished]).rows if "quoted" not in row]
    assert [row[0] for row in budgets] == ["capture"]
    assert [cell == "–" for cell in budgets[0][3:]] == [False, True, False, True]
    twice = [row for row in lay_out("1", [finished, finished]).rows if "quoted" not in row]
    assert twice[0][1].startswith(str(finished))
    assert lay_out("5", [finished]).notes[-1:] == [
        "nothing of this table was measured for diffusion (mask-predict)"
    ]
    inside("paper-table", "1", finished, "--markdown")
    assert "| ReDiff | quoted | 76.74 |" in capsys.readouterr().out
    assert to_markdown(table).startswith("**Table 1")
