"""The files of a finished run: `results.json`, `results.csv`, `leaderboard.md`, `quality.png`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rediff_eval.plots import plot_quality
from rediff_eval.results import Results, to_csv
from rediff_eval.tables import to_markdown


def write_results(results: Results, folder: Path) -> None:
    """Writes all files, each whole or not at all; the picture only where budgets differ."""
    _replace(folder / "results.json", json.dumps(asdict(results), indent=2) + "\n")
    _replace(folder / "results.csv", to_csv(results))
    _replace(folder / "leaderboard.md", to_markdown(results))
    if len({cell.tokens_per_step for cell in results.cells} - {None}) > 1:
        plot_quality(results, folder / "quality.png")


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
