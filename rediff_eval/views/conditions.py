"""The conditions of a comparison, each with the values of its trainings on its samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

KIND = ["task", "data", "scorer"]
CELL = ["run", "model", "sampler"]
PASSES = "passes"
"""Column of each sample's forward passes, where conditions are matched by them."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One model with one sampler at one budget: values [k trainings, n samples] of `ids`.

    `seeds`: of the trainings, 0 where there is one that has none. `passes`: mean forward passes.
    `baseline`: whether others are compared with it.
    """

    title: str
    budget: str
    ids: tuple[str, ...]
    seeds: tuple[int, ...]
    values: np.ndarray
    passes: float
    baseline: bool

    def of(self, seeds: Sequence[int]) -> Condition:
        """Some of the trainings."""
        places = [self.seeds.index(training) for training in seeds]
        return replace(self, seeds=tuple(seeds), values=self.values[places])

    def on(self, ids: Sequence[str]) -> np.ndarray:
        """The values of some samples."""
        places = {sample: place for place, sample in enumerate(self.ids)}
        return self.values[:, [places[sample] for sample in ids]]


def comparable(frame: pd.DataFrame) -> Iterator[list[Condition]]:
    """The conditions of each task, data set and scorer: those that can be held together.

    Args:
        frame: as `load_values` makes it, with the column `training`.
    """
    for _, group in frame.groupby(KIND, sort=False):
        yield conditions_of(group)


def conditions_of(frame: pd.DataFrame) -> list[Condition]:
    """The conditions of one task, data set and scorer.

    Args:
        frame: as `load_values` makes it, with the column `training`.
    """
    budgets = frame["steps"].map(lambda steps: "–" if pd.isna(steps) else f"{steps:g}")
    several = frame["run"].nunique() > 1
    found = []
    for cell, group in frame.assign(budget=budgets).groupby([*CELL, "budget"], sort=False):
        run, model, sampler, budget = map(str, cell)
        table = group.pivot(index="training", columns="id", values="value").dropna(axis=1)
        found.append(
            Condition(
                title=f"{run}: {model} {sampler}" if several and run else f"{model} {sampler}",
                budget=budget,
                ids=tuple(map(str, table.columns)),
                seeds=tuple(map(int, table.index)),
                values=table.to_numpy(np.float64),
                passes=float(group[PASSES].mean()) if PASSES in group else np.nan,
                baseline="baseline" in group and bool(group["baseline"].all()),
            )
        )
    return found
