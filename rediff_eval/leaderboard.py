"""Leaderboards: runs as pandas tables.

>>> from rediff_eval.leaderboard import load, pivot  # doctest: +SKIP
>>> pivot(load(["results/scenes"]), "capture")  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rediff.suggest import unknown


def load(runs: Iterable[Path | str]) -> pd.DataFrame:
    """The numbers of all runs in long form: the columns of `results.csv`, and `run` and `data`.

    `data` names the samples that were scored; only rows of one `data` can be compared. Raises
    FileNotFoundError for a folder that is no finished run.
    """
    frames = [_load_one(Path(run)) for run in runs]
    return pd.concat(frames, ignore_index=True)


def _load_one(folder: Path) -> pd.DataFrame:
    table, manifest = folder / "results.csv", folder / "results.json"
    if not table.is_file() or not manifest.is_file():
        raise FileNotFoundError(
            f"{folder} is no finished run: it has no results.csv and results.json"
        )
    data = json.loads(manifest.read_text())["manifest"]["data"]
    frame = pd.read_csv(table)
    return frame.assign(run=str(folder), data=f"{data['name']}#{data['ids_sha256'][:8]}")


def pivot(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric, a row for each data set, model and sampler, a column for each budget.

    Where a model has no budget its column is "–". Runs of the same cell are averaged.
    Raises ValueError for a metric that no run has.
    """
    rows = frame[frame["metric"] == metric]
    if rows.empty:
        raise unknown("metric", metric, sorted(frame["metric"].unique()))
    budget = rows["tokens_per_step"].astype(object)
    return rows.assign(tokens_per_step=budget.where(budget.notna(), "–")).pivot_table(
        index=["data", "model", "sampler"], columns="tokens_per_step", values="value", sort=False
    )
