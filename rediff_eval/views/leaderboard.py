"""Leaderboards: runs as pandas tables.

Examples:
    >>> from rediff_eval.views.leaderboard import load, pivot  # doctest: +SKIP
    >>> pivot(load(["results/scenes"]), "capture")  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rediff.io.suggest import unknown
from rediff_eval.metrics.preset import current_name
from rediff_eval.results.finished import (
    NUMBERS,
    RESULTS,
    check_finished,
    metric_infos,
    read_results,
)
from rediff_eval.results.numbers import read_csv

BY = ("model", "sampler", "tokens_per_step")
QUOTED = "quoted from arXiv 2510.19871"
PAPER_DATA = {
    "capture": "DetailCaps-4870",
    "clair": "CapMAS",
    "coverage": "CapMAS",
    "factuality": "CapMAS",
    "caparena": "CapArena-Auto",
}
"""The data on which the published numbers were measured."""
PAPER_TABLES = ("main", "budgets")
NO_BUDGET = "–"


def load(runs: Iterable[Path | str], *, paper: Path | None = None) -> pd.DataFrame:
    """The numbers of all runs in long form, a row for each number.

    The columns are those of `results.csv`, and `run`, `data` (the samples scored), `scorer`
    (the method of the number), `source` ("run", or where it is quoted from) and `origin` (a hash of
    the model's files). Only rows of one `data`, `scorer` and `source` can be ranked together.

    Args:
        runs: run folders.
        paper: the file of published numbers to add.

    Raises:
        FileNotFoundError: for a folder that is not a finished run.
    """
    frames = [_load_one(Path(run)) for run in runs]
    if paper is not None:
        frames.append(_load_paper(paper))
    return pd.concat(frames, ignore_index=True)


def _load_one(folder: Path) -> pd.DataFrame:
    table, results = folder / NUMBERS, folder / RESULTS
    check_finished(folder, table.name, results.name)
    content = read_results(folder)
    manifest, infos = content["manifest"], metric_infos(content)
    data, scorers = manifest["data"], manifest.get("scorers", {})
    frame = read_csv(table)
    models = manifest.get("models", {})
    return frame.assign(
        run=str(folder),
        origin=[_origin(models.get(model) or models) for model in frame["model"]],
        data=f"{data['name']}#{(data.get('sha256') or data['ids_sha256'])[:8]}",
        scorer=[current_name(scorers.get(metric, "")) for metric in frame["metric"]],
        source="run",
        lower_is_better=[name in infos and infos[name].lower_is_better for name in frame["metric"]],
    )


def _origin(model: Mapping[str, Any]) -> str:
    """The identity of the captions' model among others of its name: a hash of its files where there
    is one. Captions of a run that were scored again are known by their file."""
    known = [value for key, value in model.items() if key.endswith("sha256")]
    return known[0] if known else json.dumps(model, sort_keys=True)


def _load_paper(path: Path) -> pd.DataFrame:
    quoted = read_csv(path)
    quoted = quoted[quoted["table"].isin(PAPER_TABLES)]
    percent = quoted["metric"] != "caparena"
    return (
        quoted.assign(
            value=quoted["value"].where(~percent, quoted["value"] / 100),
            tokens_per_step=quoted["tokens_per_step"].fillna(1.0),
            data=quoted["metric"].map(PAPER_DATA),
            task=quoted["metric"].map(PAPER_DATA),
            sampler="",
            scorer="",
            source=QUOTED,
            run="",
            origin="",
            lower_is_better=False,
        )
        .drop(columns="table")
        .drop_duplicates(["model", "tokens_per_step", "metric"])
    )


def select(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of one metric.

    Args:
        frame: as `load` gives it.
        metric: its name.

    Raises:
        ValueError: naming the nearest, for a metric that no run has.
    """
    rows = frame[frame["metric"] == metric]
    if rows.empty or (rows["source"] != "run").all():
        raise unknown("metric", metric, sorted(frame[frame["source"] == "run"]["metric"].unique()))
    return rows


def pivot(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric: a row for each data set, model and sampler, a column for each budget.

    Where a model has no budget its column is "–". Runs of the same condition are averaged;
    other models of the same name are distinguished by their runs, and numbers by several
    scorers (judges, parsers, presets) have rows of their own.

    Args:
        frame: as `load` gives it.
        metric: its name.

    Raises:
        ValueError: for a metric that no run has.
    """
    rows = _told_apart(select(frame, metric))
    scorer = ["scorer"] if rows["scorer"].nunique() > 1 else []
    return _spread(rows, ["data", *scorer, "model", "sampler"], "tokens_per_step")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows that can be ranked together. `table`: means, best first, a row for each value of
    `index`, a column for each of `spread` (or `value` alone, if that is None). `rows`: the numbers
    in it, in long form."""

    title: str
    table: pd.DataFrame
    rows: pd.DataFrame
    index: list[str]
    spread: str | None


def rankings(
    frame: pd.DataFrame, metric: str, by: Sequence[str] = BY
) -> list[tuple[str, pd.DataFrame]]:
    """A table for each set of rows that can be ranked together, under its title.

    Rows are ordered by the mean over the budgets that all of them have, best first.

    Args:
        frame: as `load` gives it.
        metric: its name.
        by: columns that make a row; the last one that is a budget (`tokens_per_step` or `steps`) is
            spread over columns.

    Raises:
        ValueError: for a metric that no run has, or an unknown column.
    """
    return [(ranking.title, ranking.table) for ranking in ranked(frame, metric, by)]


def ranked(frame: pd.DataFrame, metric: str, by: Sequence[str] = BY) -> list[Ranking]:
    """The same with the rows that are in each table. Arguments and errors as for `rankings`.

    Args:
        frame: as `load` gives it.
        metric: its name.
        by: columns that make a row.
    """
    rows = _told_apart(select(frame, metric))
    for name in by:
        if name not in frame.columns:
            raise unknown("column", name, frame.columns)
    spread = next((n for n in reversed(by) if n in ("tokens_per_step", "steps")), None)
    index = [name for name in by if name != spread]
    found = []
    for (data, scorer, source), group in rows.groupby(["data", "scorer", "source"], sort=False):
        notes = [
            str(part) for part in (scorer and f"by {scorer}", source != "run" and source) if part
        ]
        title = ", ".join([f"{metric} on {data}", *notes])
        lower = bool(group["lower_is_better"].iloc[0])
        table = _ranked(_spread(group, index, spread), ascending=lower)
        found.append(Ranking(title, table, group, index, spread))
    return found


def _told_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, models of one name but of several origins called by their runs, too."""
    several = rows.groupby(["source", "model"])["origin"].transform("nunique") > 1
    return rows.assign(
        model=rows["model"].where(~several, rows["model"] + " (" + rows["run"] + ")")
    )


def _spread(rows: pd.DataFrame, index: list[str], spread: str | None) -> pd.DataFrame:
    named = {
        name: rows[name].astype(object).where(rows[name].notna(), NO_BUDGET)
        for name in (*index, *([spread] if spread else []))
    }
    rows = rows.assign(**named)
    if spread is None:
        return rows.groupby(index, sort=False)[["value"]].mean()
    table = rows.groupby([*index, spread], sort=False)["value"].mean().unstack(spread)
    table.columns.name = None
    return table[sorted(table.columns, key=lambda name: (name == NO_BUDGET, name))]


def _ranked(table: pd.DataFrame, *, ascending: bool) -> pd.DataFrame:
    shared = table.dropna(axis=1)
    means = (shared if shared.shape[1] else table).mean(axis=1)
    return table.loc[means.sort_values(ascending=ascending, kind="stable").index]


def long_rows(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The rows of some metrics, in long form, with the columns that distinguish them first.

    Args:
        frame: as `load` gives it.
        metrics: whose rows are kept.

    Raises:
        ValueError: as `select` does, for a metric that no run has.
    """
    rows = pd.concat([select(frame, metric) for metric in metrics], ignore_index=True)
    front = ["source", "data", "scorer", "model", "sampler", "steps", "tokens_per_step", "metric"]
    hidden = {*front, "lower_is_better"}
    return rows[[*front, *(name for name in rows.columns if name not in hidden)]]


def as_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain JSON values, None for missing ones."""
    return [
        {str(k): None if pd.isna(v) else v for k, v in row.items()}
        for row in frame.to_dict(orient="records")
    ]
