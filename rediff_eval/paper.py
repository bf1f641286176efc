"""The tables of the paper (arXiv 2510.19871), with runs of ours beside the quoted numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.table import Table
from rich.text import Text

from rediff_eval.leaderboard import load
from rediff_eval.safe import markdown, plain
from rediff_eval.task import paper_numbers

METRICS = ("clair", "coverage", "factuality", "caparena", "capture")
BENCHMARKS = frozenset({"CapMAS", "CapArena-Auto", "DetailCaps-4870"})
ABSOLUTE = frozenset({"caparena"})
"""Metrics that are no shares; all others are shown in percent."""
EMPTY = "–"


@dataclass(frozen=True, slots=True)
class Layout:
    """A table of the paper. `source`, `models`: which rows of `paper.csv` it quotes; no models:
    all. `budgets`: tokens per step."""

    title: str
    source: str
    metrics: Sequence[str]
    budgets: Sequence[float]
    models: Sequence[str] = ()


LAYOUTS: Mapping[str, Layout] = {
    "1": Layout("models", "main", METRICS, (1,)),
    "3": Layout("step budgets", "budgets", METRICS, (1, 2, 4, 8)),
    "4": Layout(
        "training stages", "stages", METRICS[:4], (1, 4), ("Stage I only", "Stage II only", "both")
    ),
    "5": Layout("what Stage I corrupts", "stage1-variants", METRICS[:1], (1, 4)),
    "6": Layout("rounds", "stages", METRICS[:4], (1, 4), ("both", "second round")),
}


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A laid-out table as texts: a header, rows of as many cells, and notes below."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]


def lay_out(number: str, runs: Iterable[Path]) -> PaperTable:
    """Table `number` of `LAYOUTS`: the quoted rows, then a row for each model of the runs.

    Shares are in percent, with half their 95% interval where there is one. A model without steps
    stands at one token per step. Raises what `load` raises.
    """
    layout = LAYOUTS[number]
    header = [
        "" if len(layout.budgets) == 1 else f"{budget:g}"
        for _ in layout.metrics
        for budget in layout.budgets
    ]
    header = [f"{m} {b}".strip() for m, b in zip(_spread(layout), header, strict=True)]
    rows = [
        [str(model), "quoted", *_cells(layout, group)]
        for model, group in _quoted(layout).groupby("model", sort=False)
    ]
    notes: list[str] = []
    folders = list(runs)
    if folders:
        frame = load(folders)
        frame = frame[frame["metric"].isin(layout.metrics)]
        for (model, sampler, run), group in frame.groupby(["model", "sampler", "run"], sort=False):
            cells = _cells(layout, group)
            if any(cell != EMPTY for cell in cells):
                rows.append([f"{model} ({sampler})", str(run), *cells])
        notes = sorted(set(_notes(frame)))
    title = f"Table {number}: {layout.title}; percent, caparena in points"
    return PaperTable(title, ["model", "from", *header], rows, notes)


def _spread(layout: Layout) -> list[str]:
    return [metric for metric in layout.metrics for _ in layout.budgets]


def _quoted(layout: Layout) -> pd.DataFrame:
    frame = pd.read_csv(paper_numbers())
    frame = frame[frame["table"] == layout.source]
    if layout.models:
        frame = frame[frame["model"].isin(layout.models)]
    percent = ~frame["metric"].isin(ABSOLUTE)
    return frame.assign(
        value=frame["value"].where(~percent, frame["value"] / 100), low=None, high=None
    )


def _cells(layout: Layout, rows: pd.DataFrame) -> list[str]:
    budgets = rows["tokens_per_step"].fillna(1.0)
    return [
        _text(rows[(rows["metric"] == metric) & (budgets == budget)], metric)
        for metric in layout.metrics
        for budget in layout.budgets
    ]


def _text(rows: pd.DataFrame, metric: str) -> str:
    if rows.empty:
        return EMPTY
    row, scale = rows.iloc[0], 1.0 if metric in ABSOLUTE else 100.0
    text = f"{scale * row['value']:.2f}"
    if pd.notna(row["low"]) and pd.notna(row["high"]):
        text += f" ± {scale * (row['high'] - row['low']) / 2:.2f}"
    return text


def _notes(frame: pd.DataFrame) -> Iterable[str]:
    """What the numbers of runs were measured on, and by what."""
    for (metric, data, scorer), _ in frame.groupby(["metric", "data", "scorer"]):
        name = str(data).partition("#")[0]
        other = (
            "" if name in BENCHMARKS else ", not the paper's data: never compare with its numbers"
        )
        yield f"{metric} of runs: on {data}{other}; by {scorer}"


def to_table(table: PaperTable) -> Table:
    """For a terminal."""
    shown = Table(title=table.title, caption="\n".join(map(plain, table.notes)))
    for index, name in enumerate(table.header):
        shown.add_column(name, justify="left" if index < 2 else "right", no_wrap=True)
    for row in table.rows:
        shown.add_row(*(Text(plain(part)) for part in row))
    return shown


def to_markdown(table: PaperTable) -> str:
    """As Markdown."""
    lines = [f"**{table.title}**", "", *(_line(row) for row in [table.header])]
    lines += ["|" + "---|" * len(table.header), *(_line(map(markdown, row)) for row in table.rows)]
    lines += ["", *(f"- {markdown(note)}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
