"""Conditions against each other, sample by sample."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from rediff.io.suggest import unknown
from rediff_eval.metrics.preset import current_name
from rediff_eval.results.finished import check_finished, read_results
from rediff_eval.results.numbers import CONDITION_COLUMNS, read_csv

RESAMPLES = 9999
LEVEL, POWER = 0.05, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Condition `a` against condition `b` on the samples that both have.

    `difference`: mean of a - b, between `low` and `high` with 95% confidence (bootstrap over
    samples). `p`: two-sided, by random exchange of a and b within samples; `p_holm`: corrected for
    all comparisons made together (Holm 1979). `detectable`: the smallest true difference that a
    test at level 0.05 on as many samples would find with probability 0.8.
    """

    a: str
    b: str
    steps: str
    n: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    detectable: float


def load_values(runs: Sequence[Path], metric: str) -> pd.DataFrame:
    """Every sample's value of one metric: the condition's columns, `id`, `run`, `scorer`, `value`.

    Args:
        runs: run folders.
        metric: its name.

    Raises:
        FileNotFoundError: for a folder that is not a finished run.
        ValueError: for a metric that no run has.
    """
    frame = values_of(load_samples(runs), metric)
    manifests = {str(run): read_results(run)["manifest"] for run in runs}
    scorers = {
        run: current_name(manifest.get("scorers", {}).get(metric, ""))
        for run, manifest in manifests.items()
    }
    frame = frame.assign(scorer=frame["run"].map(scorers))
    return frame[[*CONDITION_COLUMNS, "run", "scorer", "id", "value"]]


def load_samples(runs: Iterable[Path]) -> pd.DataFrame:
    """Every sample's values of all metrics, a column each, beside the condition's columns, `id` and
    `run`. Raises FileNotFoundError for a folder that is not a finished run."""
    frames = []
    for run in runs:
        check_finished(run, "samples.csv", "results.json")
        frames.append(read_csv(run / "samples.csv").assign(run=str(run)))
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


def compare(frame: pd.DataFrame, *, seed: int = 0) -> list[Comparison]:
    """Every pair of conditions of one task, data set, scorer and budget, corrected for their
    number.

    Means of the samples' own values are compared, also of metrics whose aggregate is a ratio of
    sums.

    Args:
        frame: as `load_values` makes it.
        seed: of the bootstrap and of the random exchanges.

    Raises:
        ValueError: if no two conditions share samples.
    """
    pairs = list(_pairs(frame))
    if not pairs:
        raise ValueError("no two conditions have the same task, data, scorer, budget and samples")
    found = [_test(*pair, seed=seed) for pair in pairs]
    corrected = holm([comparison.p for comparison in found])
    return [replace(c, p_holm=p) for c, p in zip(found, corrected, strict=True)]


def _pairs(frame: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    budget = frame["steps"].map(lambda steps: "–" if pd.isna(steps) else f"{steps:g}")
    frame = frame.assign(budget=budget)
    same = ["task", "data", "scorer", "budget"]
    for (_, _, _, steps), group in frame.groupby(same, sort=False):
        cells = dict(list(group.groupby(["run", "model", "sampler"], sort=False)))
        several = group["run"].nunique() > 1
        for (first, one), (second, two) in itertools.combinations(cells.items(), 2):
            both = one.merge(two, on="id", suffixes=("_a", "_b"))
            if len(both) > 1:
                yield _title(first, several), _title(second, several), str(steps), both


def _title(cell: tuple[Hashable, ...], several: bool) -> str:
    run, model, sampler = cell
    return f"{run}: {model} {sampler}" if several else f"{model} {sampler}"


def _test(a: str, b: str, steps: str, both: pd.DataFrame, *, seed: int) -> Comparison:
    one, two = both["value_a"].to_numpy(float), both["value_b"].to_numpy(float)
    difference = one - two
    low, high = mean_interval(difference, seed)
    return Comparison(
        a=a,
        b=b,
        steps=steps,
        n=len(both),
        difference=float(difference.mean()),
        low=low,
        high=high,
        p=paired_p(one, two, seed=seed),
        p_holm=1.0,
        detectable=detectable(difference),
    )


def mean_interval(difference: np.ndarray, seed: int) -> tuple[float, float]:
    """A 95% interval of the mean, by the bootstrap over samples.

    Args:
        difference: of each sample, float64 [n].
        seed: of the resamples.
    """
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    from scipy.stats import bootstrap

    interval = bootstrap(
        (difference,),
        np.mean,
        n_resamples=2000,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def paired_p(one: np.ndarray, two: np.ndarray, *, seed: int = 0) -> float:
    """The two-sided p of equal means of paired values; 1 where all pairs are equal.

    Args:
        one: values [n].
        two: values [n] of the same samples.
        seed: of the random exchanges.
    """
    if np.array_equal(one, two):
        return 1.0
    from scipy.stats import permutation_test

    result = permutation_test(
        (one, two),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=RESAMPLES,
        vectorized=True,
        batch=500,
        rng=np.random.default_rng(seed),
    )
    return float(min(1.0, result.pvalue))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction: the p values of tests made together, in the order given."""
    order = np.argsort(ps, kind="stable")
    factors = np.arange(len(ps), 0, -1)
    raised = np.maximum.accumulate(np.asarray(ps)[order] * factors).clip(max=1.0)
    corrected = np.empty(len(ps))
    corrected[order] = raised
    return [float(p) for p in corrected]


def detectable(difference: np.ndarray) -> float:
    """(z(1 - level / 2) + z(power)) s / sqrt(n) of paired differences [n]."""
    from scipy.stats import norm

    z = norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER)
    return float(z * difference.std(ddof=1) / np.sqrt(len(difference)))
