"""A ranking as a table that people read: intervals, counts, and the best in bold."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rediff_eval.metrics.base import MetricInfo
from rediff_eval.results.finished import SAMPLES
from rediff_eval.results.paired import is_tied
from rediff_eval.views.columns import digits
from rediff_eval.views.layouts import Sheet
from rediff_eval.views.leaderboard import NO_BUDGET, Ranking
from rediff_eval.views.samples import load_samples

BEST = (
    "Bold: the best of its column, and all not significantly different from it by a paired test"
    " over samples (p >= 0.05)"
)
BEST_MEANS = "Bold: the best mean of its column; the values of samples are not all there to test it"
Place = tuple[Any, ...]


def as_sheet(ranking: Ranking, metric: str, infos: Mapping[str, MetricInfo]) -> Sheet:
    """A ranking with intervals, counts, and bold for those not significantly worse.

    Args:
        ranking: of one metric.
        metric: its name.
        infos: how metrics are shown.
    """
    cells = _cells(ranking)
    tested = all((Path(run) / SAMPLES).is_file() for run in ranking.rows["run"].unique())
    values = _values(ranking, metric) if tested else {}
    rows, columns = list(ranking.table.index), list(ranking.table.columns)
    bold = frozenset(
        (number, len(ranking.index) + place)
        for place, column in enumerate(columns)
        if len(rows) > 1
        for number in _best(ranking, cells, column, values)
    )
    spread, places = ranking.spread or "", digits(metric, infos)
    return Sheet(
        title=ranking.title,
        header=[*ranking.index, *(_head(column, spread) for column in columns), "n"],
        rows=[
            [
                *(_plain(part) for part in _tuple(row)),
                *(_number(cells.get((*_tuple(row), column)), places) for column in columns),
                _counts(cells, row, columns),
            ]
            for row in rows
        ],
        texts=len(ranking.index),
        bold=bold,
        notes=[BEST if tested else BEST_MEANS] if bold else [],
    )


def _cells(ranking: Ranking) -> dict[Place, pd.DataFrame]:
    """The numbers of each cell, by the row's names and the column's."""
    names = [*ranking.index, *([ranking.spread] if ranking.spread else [])]
    keyed = {
        name: ranking.rows[name].astype(object).where(ranking.rows[name].notna(), NO_BUDGET)
        for name in names
    }
    column = () if ranking.spread else ("value",)
    groups = ranking.rows.assign(**keyed).groupby(names, sort=False)
    return {(*_tuple(key), *column): group for key, group in groups}


def _values(ranking: Ranking, metric: str) -> dict[Place, dict[str, float]]:
    """Each sample's value of the conditions of a ranking, by run, model, sampler and steps."""
    samples = load_samples(map(Path, ranking.rows["run"].unique()), [metric])
    if metric not in samples:
        return {}
    known = samples.dropna(subset=[metric]).assign(steps=samples["steps"].fillna(-1))
    groups = known.groupby(["run", "model", "sampler", "steps"], sort=False)
    return {
        _tuple(key): dict(zip(group["id"], group[metric], strict=True)) for key, group in groups
    }


def _best(
    ranking: Ranking,
    cells: Mapping[Place, pd.DataFrame],
    column: Any,
    values: Mapping[Place, Mapping[str, float]],
) -> list[int]:
    """Numbers of the rows that are best in a column, or not significantly different from it."""
    rows = list(ranking.table.index)
    means = ranking.table[column].to_numpy(float)
    if np.isnan(means).all():
        return []
    lower = bool(ranking.rows["lower_is_better"].iloc[0])
    first = int(np.nanargmin(means) if lower else np.nanargmax(means))
    best = _samples(cells.get((*_tuple(rows[first]), column)), values)
    ties = [
        number
        for number, row in enumerate(rows)
        if number != first and is_tied(best, _samples(cells.get((*_tuple(row), column)), values))
    ]
    return sorted([first, *ties])


def _samples(
    cell: pd.DataFrame | None, values: Mapping[Place, Mapping[str, float]]
) -> Mapping[str, float]:
    """The samples of a cell with one number, by their ids; none of an average of several."""
    if cell is None or len(cell) != 1:
        return {}
    one = cell.iloc[0]
    steps = -1 if pd.isna(one["steps"]) else one["steps"]
    model = str(one["model"]).removesuffix(f" ({one['run']})")
    return values.get((one["run"], model, one["sampler"], steps), {})


def _number(cell: pd.DataFrame | None, places: int) -> str:
    """A mean, with its interval where it is of one condition."""
    if cell is None:
        return NO_BUDGET
    text = f"{cell['value'].mean():.{places}f}"
    if len(cell) != 1 or cell[["low", "high"]].isna().to_numpy().any():
        return text
    one = cell.iloc[0]
    return f"{text} [{one['low']:.{places}f}, {one['high']:.{places}f}]"


def _counts(cells: Mapping[Place, pd.DataFrame], row: Hashable, columns: Sequence[Any]) -> str:
    found = [cells[key]["n"] for c in columns if (key := (*_tuple(row), c)) in cells]
    counts = sorted({int(n) for group in found for n in group.dropna()})
    return "–".join(f"{n}" for n in dict.fromkeys([*counts[:1], *counts[-1:]])) or NO_BUDGET


def _head(column: Any, spread: str) -> str:
    unit = {"steps": "steps", "tokens_per_step": "tokens/step"}.get(spread, "")
    return f"{_plain(column)} {unit}".strip() if column != NO_BUDGET else NO_BUDGET


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tuple(key: Any) -> Place:
    return key if isinstance(key, tuple) else (key,)
