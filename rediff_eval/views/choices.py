"""The best setting of each sampler in a grid of settings, chosen on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from rediff_eval.views.samples import check_metric, load_samples, values_of

CONDITION = ["data", "model", "steps"]
"""The columns of a condition beside its sampler."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The setting of a sampler with the highest mean.

    `setting`: the sampler with its options, as for `--sampler`. `mean`: of the metric over all
    models, budgets and samples, each condition weighing one. `tried`: number of settings.
    """

    setting: str
    mean: float
    tried: int


def choose(runs: Sequence[Path], metric: str) -> list[Choice]:
    """The best setting of each sampler, in the order of the runs; of equal ones the first.

    Args:
        runs: finished runs, of validation data.
        metric: to choose by; more is better.

    Raises:
        ValueError: for a metric that no run has, and for settings of one sampler that were not
            measured with the same models, budgets and samples, whose means cannot be compared.
    """
    check_metric(runs, metric)
    frame = values_of(load_samples(runs, (metric,)), metric)
    means: dict[str, dict[str, float]] = {}
    measured: dict[str, frozenset[tuple[str, str, int, str]]] = {}
    for setting, rows in frame.groupby("sampler", sort=False):
        name = str(setting).partition(",")[0]
        keys = frozenset(zip(*(rows[column] for column in (*CONDITION, "id")), strict=True))
        if measured.setdefault(name, keys) != keys:
            raise ValueError(
                f"{setting} was not measured with the same models, steps and samples as other"
                f" settings of {name}"
            )
        conditions = rows.groupby(CONDITION)["value"].mean()
        means.setdefault(name, {})[str(setting)] = float(conditions.mean())
    return [
        Choice(max(settings, key=lambda s: settings[s]), max(settings.values()), len(settings))
        for settings in means.values()
    ]


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
        f"# The setting of each sampler with the highest mean {metric}, which is beside it.",
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
