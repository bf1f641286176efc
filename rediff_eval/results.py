"""The files of a finished run: `results.json`, `results.csv`, `leaderboard.md`, `quality.png`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rediff_eval.stats import Estimate

COLUMNS = (
    "task", "model", "sampler", "steps", "tokens_per_step", "seed", "metric", "value", "low",
    "high", "n",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """The metrics of one model with one sampler at one budget. `failures`: errors by sample id."""

    task: str
    data: str
    model: str
    sampler: str
    steps: int
    tokens_per_step: float
    seed: int
    metrics: Mapping[str, Estimate]
    not_run: Mapping[str, str]
    failures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Results:
    """A finished run."""

    manifest: Mapping[str, Any]
    cells: list[CellResult]
    main_metric: str


def write_results(results: Results, folder: Path) -> None:
    """Writes all files, each whole or not at all."""
    from rediff_eval.tables import to_markdown

    _replace(folder / "results.json", json.dumps(asdict(results), indent=2) + "\n")
    _replace(folder / "results.csv", to_csv(results))
    _replace(folder / "leaderboard.md", to_markdown(results))
    if len({cell.tokens_per_step for cell in results.cells}) > 1:
        from rediff_eval.plots import plot_quality

        plot_quality(results, folder / "quality.png")


def to_csv(results: Results) -> str:
    """Long form, one row a number; an empty field where there is no interval."""
    lines = [COLUMNS, *long_rows(results)]
    from io import StringIO

    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def long_rows(results: Results) -> Iterator[tuple[Any, ...]]:
    """The rows of `results.csv`, in the order of `COLUMNS`."""
    for cell in results.cells:
        for name, estimate in cell.metrics.items():
            yield (
                cell.task, cell.model, cell.sampler, cell.steps, f"{cell.tokens_per_step:g}",
                cell.seed, name, f"{estimate.value:.6g}", _number(estimate.low),
                _number(estimate.high), estimate.n,
            )  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
