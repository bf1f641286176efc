"""Every sample's values, of the files of finished runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rediff.io.suggest import unknown
from rediff_eval.metrics.preset import current_name
from rediff_eval.results.finished import RESULTS, SAMPLES, check_finished, read_results
from rediff_eval.results.numbers import CONDITION_COLUMNS, csv_columns, read_csv


def load_values(runs: Sequence[Path], metric: str) -> pd.DataFrame:
    """Every sample's value of one metric: the condition's columns, `id`, `run`, `scorer`, `value`,
    and `passes`, the caption's forward passes, nan where they are not known.

    Args:
        runs: run folders.
        metric: its name.

    Raises:
        FileNotFoundError: for a folder that is not a finished run.
        ValueError: for a metric that no run has.
    """
    check_metric(runs, metric)
    samples = load_samples(runs, (metric, "nfe"))
    frame = values_of(samples, metric)
    manifests = {str(run): read_results(run)["manifest"] for run in runs}
    scorers = {
        run: current_name(manifest.get("scorers", {}).get(metric, ""))
        for run, manifest in manifests.items()
    }
    frame = frame.assign(
        scorer=frame["run"].map(scorers),
        passes=samples["nfe"].loc[frame.index] if "nfe" in samples else np.nan,
    )
    return frame[[*CONDITION_COLUMNS, "run", "scorer", "id", "value", "passes"]]


def load_samples(runs: Iterable[Path], metrics: Iterable[str]) -> pd.DataFrame:
    """Every sample's values of some metrics, a column each, beside the condition's columns, `id`
    and `run`. No more is read than that, so that millions of samples take little memory.

    Args:
        runs: run folders.
        metrics: those of them that a run has are read.

    Raises:
        FileNotFoundError: for a folder that is not a finished run.
    """
    wanted, frames = {*CONDITION_COLUMNS, "id", *metrics}, []
    for run in runs:
        check_finished(run, SAMPLES, RESULTS)
        frames.append(read_csv(run / SAMPLES, wanted).assign(run=str(run)))
    return pd.concat(frames, ignore_index=True)


def check_metric(runs: Iterable[Path], metric: str) -> None:
    """Says which metrics there are where one is asked for that no run has.

    Args:
        runs: run folders.
        metric: its name.

    Raises:
        ValueError: for one that no run has, naming the nearest.
        FileNotFoundError: for a folder that is not a finished run.
    """
    found: dict[str, None] = {}
    for run in runs:
        check_finished(run, SAMPLES, RESULTS)
        found |= dict.fromkeys(csv_columns(run / SAMPLES))
    metrics = [name for name in found if name not in {*CONDITION_COLUMNS, "id"}]
    if metric not in metrics:
        raise unknown("metric", metric, metrics)


def values_of(samples: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The samples that have a value of a metric, which is called `value`.

    Args:
        samples: as `load_samples` reads them.
        metric: one of its columns.
    """
    return samples.rename(columns={metric: "value"}).dropna(subset=["value"])
