"""How the samplers of an arena write, beside how good they are: order, certainty, revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from rediff_eval.metrics.base import MetricInfo
from rediff_eval.sanitize import markdown
from rediff_eval.views.arena import CONDITION, Contender
from rediff_eval.views.columns import digits
from rediff_eval.views.leaderboard import load
from rediff_eval.views.tables import pipe_table

STATISTICS = (
    "commits_per_pass",
    "order",
    "certainty",
    "right_when_written",
    "calibration",
    "mended",
    "mended_unsure",
    "mended_sure",
    "revisions",
    "flips",
    "fix_rate",
    "break_rate",
)
"""Of the metrics `writing` and `revision`, in the order of columns."""


def how_they_write(runs: Sequence[Path]) -> pd.DataFrame:
    """The `STATISTICS` of all conditions, a row for each, nan where one is not known.

    Args:
        runs: finished runs.

    Raises:
        FileNotFoundError: for a folder that is not a finished run.
    """
    numbers = load(runs)
    numbers = numbers[numbers["metric"].isin(STATISTICS)]
    table = numbers.pivot_table(index=CONDITION, columns="metric", values="value", sort=False)
    return table.reindex(columns=STATISTICS)


def writing_table(
    written: pd.DataFrame, found: Sequence[Contender], infos: Mapping[str, MetricInfo]
) -> list[str]:
    """The lines of a Markdown table of one model at its middle budget.

    Args:
        written: as `how_they_write` gives it.
        found: the model's contenders.
        infos: that say with how many digits a metric is written.
    """
    steps = sorted({c.steps for c in found})
    middle = steps[len(steps) // 2]
    numbers, rows = written.to_dict(orient="index"), []
    for c in sorted(found, key=lambda c: -c.quality):
        values = numbers.get((c.model, c.sampler, c.steps))
        if c.steps == middle and values is not None:
            cells = (_number(values[name], digits(name, infos)) for name in STATISTICS)
            rows.append([markdown(c.sampler), *cells])
    if not rows:
        return []
    table = pipe_table(["sampler", *STATISTICS], rows)
    return ["", f"How they write, at {middle} steps:", "", *table]


def _number(value: float, places: int) -> str:
    return "–" if pd.isna(value) else f"{value:.{places}f}"
