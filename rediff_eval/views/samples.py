"""Every sample's values, of the files of finished runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rediff.io.suggest import unknown
from rediff_eval.metrics.preset import current_name
from rediff_eval.results.finished import RESULTS, SAMPLES, check_finished, read_results
from rediff_eval.results.numbers import CONDITION_COLUMNS, read_csv


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
    samples = load_samples(runs)
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


def load_samples(runs: Iterable[Path]) -> pd.DataFrame:
    """Every sample's values of all metrics, a column each, beside the condition's columns, `id` and
    `run`. Raises FileNotFoundError for a folder that is not a finished run."""
    frames = []
    for run in runs:
        check_finished(run, SAMPLES, RESULTS)
        frames.append(read_csv(run / SAMPLES).assign(run=str(run)))
    return pd.concat(frames, ignore_index=True)


def values_of(samples: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The samples that have a value of a metric, which is called `value`.

    Args:
        samples: as `load_samples` reads them.
        metric: its name.

    Raises:
        ValueError: for a metric that no run has.
    """
    metrics = [name for name in samples.columns if name not in {*CONDITION_COLUMNS, "id", "run"}]
    if metric not in metrics:
        raise unknown("metric", metric, metrics)
    return samples.rename(columns={metric: "value"}).dropna(subset=["value"])
