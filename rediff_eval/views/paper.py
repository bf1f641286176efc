"""The tables of the paper (arXiv 2510.19871), with runs of ours beside the quoted numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.table import Table
from rich.text import Text

from rediff_eval.benchmarks.task import paper_numbers
from rediff_eval.results.numbers import read_csv
from rediff_eval.sanitize import markdown, plain
from rediff_eval.views.leaderboard import load
from rediff_eval.views.tables import pipe_table

METRICS = ("clair", "coverage", "factuality", "caparena", "capture")
BENCHMARKS = frozenset({"CapMAS", "CapArena-Auto", "DetailCaps-4870"})
ABSOLUTE = frozenset({"caparena"})
"""Metrics that are not shares; all others are shown in percent."""
EMPTY = "–"
MARK = "*"
NAMES = frozenset({"metric", "model", "from"})
"""Columns that hold no numbers."""


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
    """A table of the paper: its quoted rows, then those of the runs.

    Shares are in percent, with half their 95% interval where there is one. A model without steps
    is at one token per step. Runs of one model share a row unless they measured the same.

    Args:
        number: a key of `LAYOUTS`.
        runs: folders of finished runs.

    Raises:
        ValueError: or FileNotFoundError, as `load` does.
    """
    layout = LAYOUTS[number]
    groups = [(str(m), "quoted", rows) for m, rows in _quoted(layout).groupby("model", sort=False)]
    notes: list[str] = []
    names: list[str] = []
    folders = list(runs)
    if folders:
        frame = load(folders)
        names = list(dict.fromkeys(map(_name, frame["model"], frame["sampler"])))
        frame = frame[frame["metric"].isin(layout.metrics) & ~_is_another(frame)]
        groups += _own(frame)
        notes = sorted(set(_notes(frame)))
    lay = _metric_by_metric if len(layout.budgets) > 2 else _side_by_side
    header, rows = lay(layout, groups)
    shown = {row[header.index("model")] for row in rows}
    if bare := [name for name in names if name not in shown]:
        notes.append(f"nothing of this table was measured for {', '.join(bare)}")
    title = f"Table {number}: {layout.title}; percent, caparena in points"
    return PaperTable(title, header, rows, notes)


def _name(model: object, sampler: object) -> str:
    return f"{model} ({sampler})"


Group = tuple[str, str, pd.DataFrame]
"""A model, where its numbers are from, and its rows."""


def _own(frame: pd.DataFrame) -> list[Group]:
    groups: list[Group] = []
    for (model, sampler), rows in frame.groupby(["model", "sampler"], sort=False):
        name = _name(model, sampler)
        if rows.duplicated(["metric", "tokens_per_step"]).any():
            groups += [
                (name, f"{run}{_origin(some).removeprefix('runs')}", some)
                for run, some in rows.groupby("run", sort=False)
            ]
        else:
            groups.append((name, _origin(rows), rows))
    return groups


def _origin(rows: pd.DataFrame) -> str:
    """`runs`, with a mark where the data are not the paper's."""
    return "runs" if all(map(_is_official, rows["data"])) else f"runs {MARK}"


def _is_another(frame: pd.DataFrame) -> pd.Series[bool]:
    """Exact coverage of scenes has the name of CapMAS' metric, and is another."""
    exact = frame["scorer"].isin(["scene-graph", ""]) & frame["data"].str.startswith("scenes-")
    return (frame["metric"] == "coverage") & exact


def _is_official(data: str) -> bool:
    return data.partition("#")[0] in BENCHMARKS


def _side_by_side(layout: Layout, groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """A row a model, a column for each metric at each budget."""
    places = [(metric, budget) for metric in layout.metrics for budget in layout.budgets]
    several = len(layout.budgets) > 1
    header = [f"{m} at {b:g}" if several else m for m, b in places]
    rows = [
        [model, origin, *cells]
        for model, origin, some in groups
        if set(cells := [_cell(some, *place) for place in places]) != {EMPTY}
    ]
    return ["model", "from", *header], rows


def _metric_by_metric(layout: Layout, groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """A row for each model of each metric, a column a budget."""
    rows = [
        [metric, model, origin, *cells]
        for metric in layout.metrics
        for model, origin, some in groups
        if set(cells := [_cell(some, metric, budget) for budget in layout.budgets]) != {EMPTY}
    ]
    return ["metric", "model", "from", *(f"{budget:g}" for budget in layout.budgets)], rows


def _quoted(layout: Layout) -> pd.DataFrame:
    frame = read_csv(paper_numbers())
    frame = frame[frame["table"] == layout.source]
    if layout.models:
        frame = frame[frame["model"].isin(layout.models)]
    percent = ~frame["metric"].isin(ABSOLUTE)
    return frame.assign(
        value=frame["value"].where(~percent, frame["value"] / 100), low=None, high=None
    )


def _cell(rows: pd.DataFrame, metric: str, budget: float) -> str:
    found = rows[(rows["metric"] == metric) & (rows["tokens_per_step"].fillna(1.0) == budget)]
    if found.empty:
        return EMPTY
    row, scale = found.iloc[0], 1.0 if metric in ABSOLUTE else 100.0
    text = f"{scale * row['value']:.2f}"
    if pd.notna(row["low"]) and pd.notna(row["high"]):
        text += f" ± {scale * (row['high'] - row['low']) / 2:.2f}"
    return text


def _notes(frame: pd.DataFrame) -> Iterable[str]:
    """The data and methods of the numbers of runs."""
    for (metric, data, scorer), _ in frame.groupby(["metric", "data", "scorer"]):
        other = "" if _is_official(str(data)) else f"{MARK} not the paper's data, not comparable: "
        yield f"{other}{metric} on {data}" + (f" by {scorer}" if scorer else "")


def to_table(table: PaperTable) -> Table:
    """For a terminal."""
    shown = Table(title=table.title, caption="\n".join(map(plain, table.notes)))
    for name in table.header:
        shown.add_column(name, justify="left" if name in NAMES else "right", no_wrap=True)
    for row in table.rows:
        shown.add_row(*(Text(plain(part)) for part in row))
    return shown


def to_markdown(table: PaperTable) -> str:
    """As Markdown."""
    rows = [map(markdown, row) for row in table.rows]
    lines = [f"**{table.title}**", "", *pipe_table(table.header, rows)]
    lines += ["", *(f"- {markdown(note)}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"
