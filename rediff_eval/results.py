"""The numbers of a finished run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
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
    steps: int | None
    tokens_per_step: float | None
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


def to_csv(results: Results) -> str:
    """Long form, one row a number; an empty field where there is no interval."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *long_rows(results)])
    return text.getvalue()


def long_rows(results: Results) -> Iterator[tuple[Any, ...]]:
    """The rows of `results.csv`, in the order of `COLUMNS`."""
    for cell in results.cells:
        for name, estimate in cell.metrics.items():
            yield (
                cell.task, cell.model, cell.sampler, cell.steps, _number(cell.tokens_per_step),
                cell.seed, name, f"{estimate.value:.6g}", _number(estimate.low),
                _number(estimate.high), estimate.n,
            )  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
