"""The best setting of each sampler in a grid of settings, chosen on validation data."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from rediff.decoding.registry import sampler_name
from rediff_eval.results.finished import infos_of_runs
from rediff_eval.views.samples import load_values

CONDITION = ["data", "model", "steps"]
"""The columns of a condition beside its sampler."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The best setting of a sampler.

    `setting`: the sampler with its options, as for `--sampler`. `mean`: of the metric over all
    models, budgets and samples, each condition weighing one. `tried`: number of settings.
    """

    setting: str
    mean: float
    tried: int


def choose(runs: Sequence[Path], metric: str, known: Container[str]) -> list[Choice]:
    """The best setting of each sampler, in the order of the runs; of equal ones the first.

    Args:
        runs: finished runs, of validation data.
        metric: to choose by.
        known: names of samplers; others are left out, as the decoding of autoregressive models.

    Raises:
        ValueError: for a metric that no run has or that several scorers made, and for settings of
            one sampler that were not measured on the same captions.
    """
    frame = load_values(runs, metric)
    frame["name"] = frame["sampler"].map(sampler_name)
    frame = frame[[name in known for name in frame["name"]]]
    if frame.empty:
        raise ValueError(f"the runs have no value of {metric} by a sampler that is known")
    if frame["scorer"].nunique() > 1:
        raise ValueError(f"{metric} is by several scorers: {', '.join(sorted({*frame['scorer']}))}")
    infos = infos_of_runs(runs)
    lower = metric in infos and infos[metric].lower_is_better
    return [_best(rows, lower) for _, rows in frame.groupby("name", sort=False)]


def _best(rows: pd.DataFrame, lower: bool) -> Choice:
    """The best setting of one sampler."""
    captions = [*CONDITION, "id"]
    table = rows.set_index([*captions, "sampler"])["value"]
    if table.index.has_duplicates:
        raise ValueError(f"a condition of {rows['sampler'].iloc[0]} was measured twice")
    wide = table.unstack("sampler")[list(dict.fromkeys(rows["sampler"]))]
    missing = wide.isna().sum()
    if missing.any():
        raise ValueError(
            f"{missing.idxmax()} lacks {missing.max()} of {len(wide)} captions that other settings"
            " of it have"
        )
    means = wide.groupby(level=CONDITION).mean().mean()
    setting = str(means.idxmin() if lower else means.idxmax())
    return Choice(setting, float(means[setting]), len(means))


def to_grid(
    choices: Sequence[Choice], models: Sequence[str], steps: Sequence[int], metric: str
) -> str:
    """A grid's file (YAML, see `Grid`) of the chosen settings, with their means as comments.

    Args:
        choices: one for each sampler.
        models: of the grid, as for `--model`.
        steps: of the grid.
        metric: that the choice was made by.
    """
    lines = [
        f"# The best setting of each sampler by its mean {metric}, which is beside it.",
        f"models: [{', '.join(map(_scalar, models))}]",
        f"steps: [{', '.join(map(str, steps))}]",
        "samplers:",
    ]
    settings = [_scalar(choice.setting) for choice in choices]
    width = max(map(len, settings))
    for choice, setting in zip(choices, settings, strict=True):
        among = f", best of {choice.tried}" if choice.tried > 1 else ""
        lines.append(f"  - {setting:<{width}}  # {choice.mean:.4f}{among}")
    return "\n".join([*lines, ""])


def _scalar(text: str) -> str:
    """A string in YAML, quoted where it has to be."""
    return yaml.safe_dump([text], default_flow_style=True, width=10**6).strip()[1:-1]
