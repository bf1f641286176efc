"""Tables in a paper, as LaTeX itself takes them."""

import shutil
import subprocess
from pathlib import Path

import pytest
from programs import program

from rediff_eval.views.layouts import LETTERS, Sheet, lay_out

pytestmark = pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="needs LaTeX (apt install texlive-latex-base texlive-latex-recommended)",
)
PAPER = r"\documentclass{article}\usepackage{booktabs}\begin{document}%s\end{document}"
NAMES = [
    r"a_b & <b>50%</b> $x^2$ # ~ \input{/etc/passwd} {}",
    "naïve – “quoted” 1 ± 2 → x",
    "东京 и модель \u202e \x07",
    "".join(sorted(LETTERS)),
    "[0.5, 1]",
    "* a star",
]


def compiled(table: str, folder: Path) -> str:
    """What LaTeX says of a paper with the table, which must be a PDF in the end."""
    (folder / "paper.tex").write_text(PAPER % table, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=batchmode", "paper.tex"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    log = (folder / "paper.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert (folder / "paper.pdf").stat().st_size > 1000
    return log


@pytest.mark.parametrize("name", NAMES)
def test_any_name_compiles(name: str, tmp_path: Path) -> None:
    sheet = Sheet(
        name, ["model", "50%"], [["first", "1"], [name, "1 ± 2"]], bold=frozenset({(0, 1)})
    )
    log = compiled(lay_out(sheet, "latex"), tmp_path)
    assert "passwd" not in log.replace(name, "")


def test_a_leaderboard_compiles_and_can_be_referred_to(tmp_path: Path) -> None:
    table = program("leaderboard", "results/scenes", "--format", "latex")
    label = table.split(r"\label{")[1].split("}")[0]
    compiled(rf"{table} See table~\ref{{{label}}}.", tmp_path)
    assert label in (tmp_path / "paper.aux").read_text()
