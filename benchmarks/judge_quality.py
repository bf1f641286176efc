"""How far judges can be trusted, measured where the truth is known: on the embedded scenes.

Captions of every shipped model at every budget are scored by exact truth, by CAPTURE-lite, and by
the oracle through the judges' protocol. Printed: the rank correlation of each metric with its
truth over models x budgets, with 95% bootstrap intervals over scenes, and for oracles that err at a
stated rate, how many scenes tell two models apart (paired, level 0.05, power 0.8).

    python benchmarks/judge_quality.py --limit 100 --out runs/judge-quality
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm, spearmanr

from rediff.captioners.known_models import shipped_models
from rediff.captioners.sources import distinct, find_model
from rediff.io.quiet import quiet_libraries
from rediff.llm_client.server import ServerSpec
from rediff_eval.benchmarks.load import DataConfig
from rediff_eval.benchmarks.task import load_task
from rediff_eval.captioning.config import CaptioningConfig
from rediff_eval.evaluate import Evaluation, evaluate, score_file
from rediff_eval.metrics.config import ScoringConfig
from rediff_eval.progress import Progress
from rediff_eval.views.tables import pipe_table

TRUTH = {
    "capture_lite": "capture", "clair": "capture", "coverage": "exact_coverage",
    "factuality": "exact_factuality",
}  # fmt: skip
RATES = (0.0, 0.1, 0.2, 0.4)
PAIRS = ((("rediff", 20), ("control", 20)), (("rediff", 20), ("stage1", 20)))
"""Two models each, at four tokens per step: one pair far apart, one near."""
RESAMPLES = 1000
CELL = ["model", "sampler", "steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("runs/judge-quality"))
    arguments = parser.parse_args()
    quiet_libraries()
    captions = arguments.out / "captions"
    models = distinct([find_model(name) for name in shipped_models()])
    evaluation = Evaluation(
        data=DataConfig(task=load_task("capture"), limit=arguments.limit),
        captioning=CaptioningConfig(models=models),
        folder=captions,
    )
    evaluate(evaluation, Progress())
    exact = read(captions)
    exact["exact_factuality"] = 1 - exact["hallucination"]
    exact = exact.rename(columns={"coverage": "exact_coverage"})
    judged = {rate: judge(captions, arguments, rate) for rate in RATES}
    both = exact.merge(judged[0.0], on=[*CELL, "id"])
    print(to_markdown(correlations(both)))
    print(to_markdown(needed(judged)))
    plot(both, arguments.out / "quality.png")


def to_markdown(rows: list[dict[str, object]]) -> str:
    return "\n".join(pipe_table(list(rows[0]), [map(str, row.values()) for row in rows])) + "\n"


def read(folder: Path) -> pd.DataFrame:
    frame = pd.read_csv(folder / "samples.csv")
    return frame.assign(steps=frame["steps"].fillna(0).astype(int))


def judge(captions: Path, arguments: argparse.Namespace, rate: float) -> pd.DataFrame:
    out = arguments.out / f"oracle-{rate:g}"
    data = DataConfig(task=load_task("capmas"), limit=arguments.limit)
    scoring = ScoringConfig(judge=ServerSpec(model=f"oracle:{rate:g}"))
    score_file(data, scoring, captions, out)
    return read(out)[[*CELL, "id", "clair", "coverage", "factuality"]]


def correlations(both: pd.DataFrame) -> list[dict[str, object]]:
    """Spearman's rho of cell means, and of samples within cells."""
    rng = np.random.default_rng(0)
    ids = both["id"].unique()
    rows = []
    for metric, truth in TRUTH.items():
        one, two = (both.pivot(index="id", columns=CELL, values=name) for name in (metric, truth))
        over_cells = [
            rank(one.loc[draw].mean(), two.loc[draw].mean())
            for draw in (rng.choice(ids, len(ids)) for _ in range(RESAMPLES))
        ]
        within = [rank(one[cell], two[cell]) for cell in one.columns]
        low, high = np.percentile(over_cells, [2.5, 97.5])
        rho = rank(one.mean(), two.mean())
        rows.append({
            "metric": metric, "truth": truth, "cells": one.shape[1], "scenes": len(ids),
            "rho over models x budgets": f"{rho:.3f} [{low:.3f}, {high:.3f}]",
            "rho over captions, mean of cells": f"{np.nanmean(within):.3f}",
        })  # fmt: skip
    return rows


def rank(one: pd.Series, two: pd.Series) -> float:
    constant = one.nunique() < 2 or two.nunique() < 2
    return float("nan") if constant else float(spearmanr(one, two).statistic)


def needed(judged: dict[float, pd.DataFrame]) -> list[dict[str, object]]:
    """Scenes at which a paired test finds the difference of two models with probability 0.8."""
    z = norm.ppf(0.975) + norm.ppf(0.8)
    rows = []
    for (a, steps_a), (b, steps_b) in PAIRS:
        for metric in ("clair", "coverage", "factuality"):
            row: dict[str, object] = {"models": f"{a} - {b}", "metric": metric}
            for rate, frame in judged.items():
                one, two = (
                    frame[(frame["model"] == m) & (frame["steps"] == s)].set_index("id")[metric]
                    for m, s in ((a, steps_a), (b, steps_b))
                )
                difference = (one - two).dropna()
                mean, spread = difference.mean(), difference.std(ddof=1)
                count = int(np.ceil((z * spread / mean) ** 2)) if mean > 0 else None
                row[f"error rate {rate:g}"] = f"{mean:+.3f}: {max(count, 2) if count else 'never'}"
            rows.append(row)
    return rows


def plot(both: pd.DataFrame, path: Path) -> None:
    means = both.groupby(CELL)[[*TRUTH, *set(TRUTH.values())]].mean().reset_index()
    figure, axes = plt.subplots(1, len(TRUTH), figsize=(14, 3.8))
    for axis, (metric, truth) in zip(axes, TRUTH.items(), strict=True):
        for model, some in means.groupby("model", sort=False):
            axis.scatter(some[truth], some[metric], label=model, s=36)
        axis.set_xlabel(f"exact: {truth.removeprefix('exact_')}")
        axis.set_title(metric)
        axis.grid(alpha=0.3)
    axes[-1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
