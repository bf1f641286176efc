"""The losses of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from rediff.training.logs import LOG, read_log
from rediff.training.validation import METRIC


def plot_losses(root: Path, stages: Sequence[str], path: Path) -> bool:
    """Loss against step, a panel a stage: the total as it is trained, the total on held-out rows
    where there is a validation, and a line a part, its mean over the positions of its role.

    Args:
        root: of the training.
        stages: their names.
        path: of the PNG.

    Returns:
        False if no stage has a log, and nothing is drawn.
    """
    logs = {name: read_log(root / name / LOG) for name in stages}
    logs = {name: entries for name, entries in logs.items() if entries}
    if not logs:
        return False
    columns = min(4, len(logs))
    rows = -(-len(logs) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.4 * rows), dpi=120, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(logs) :]:
        panel.set_visible(False)
    for panel, (name, entries) in zip(panels, logs.items(), strict=False):
        parts = sorted({key for entry in entries for key in entry if key.startswith("loss_")})
        for part in ["loss", METRIC, *parts]:
            points = [(entry["step"], entry[part]) for entry in entries if part in entry]
            if points:
                panel.plot(*zip(*points, strict=True), **_look(part))
        panel.set_title(name, fontsize=9)
        panel.set_xlabel("step", fontsize=8)
        panel.set_ylabel("loss (nats)", fontsize=8)
        panel.set_yscale("log")
        for set_formatter in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
            set_formatter(LogFormatter(minor_thresholds=(1.0, 0.5)))
        panel.tick_params(labelsize=7, which="both")
        panel.grid(alpha=0.25)
        panel.legend(frameon=False, fontsize=7)
    figure.savefig(path)
    return True


def _look(part: str) -> dict[str, Any]:
    """Of the line of a part, or of a total."""
    if part == "loss":
        return {"color": "#1c2024", "linewidth": 1.6, "label": "total"}
    if part == METRIC:
        look = {"color": "#1c2024", "linewidth": 1.2, "linestyle": "--", "marker": "."}
        return {**look, "label": "validation"}
    return {"linewidth": 1, "label": part.removeprefix("loss_")}
