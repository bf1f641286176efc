"""Plots of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from rediff.training.logs import LOG, read_log
from rediff_eval.results.numbers import ConditionResult, Results
from rediff_eval.views.columns import label

COLOURS = {
    "base": "#8c8c8c",
    "control": "#d1781e",
    "stage1": "#5aa0c8",
    "rediff": "#1f5fa8",
    "ar": "#2d8a4e",
}
"""Of the shipped models."""
LINES_WITHIN = 6
"""More than so many lines leave no room for their names between them."""


def plot_quality(results: Results, path: Path | IO[bytes]) -> None:
    """The main metric against tokens per step: a line for each model and sampler, bars for
    intervals.

    Args:
        results: of a run.
        path: of the PNG.
    """
    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    lines: defaultdict[tuple[str, str], list[ConditionResult]] = defaultdict(list)
    for condition in results.conditions:
        if results.main_metric in condition.metrics and condition.tokens_per_step is not None:
            lines[condition.model, condition.sampler].append(condition)
    colours = colours_of([model for model, _ in lines])
    for (model, sampler), points in lines.items():
        _plot_line(axes, f"{model} ({sampler})", colours[model], points, results.main_metric)
    ticks = sorted({c.tokens_per_step for c in results.conditions if c.tokens_per_step is not None})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("tokens per step")
    axes.set_ylabel(label(results.main_metric, results.metrics))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(lines) > LINES_WITHIN:
        figure.legend(frameon=False, fontsize=8, loc="outside right center")
    else:
        axes.legend(frameon=False, fontsize=8)
    data = results.manifest["data"]
    axes.set_title(f"{data['name']}, {data['samples']} samples, 95% intervals", fontsize=9)
    figure.savefig(path, format="png")


def colours_of(models: Sequence[str]) -> dict[str, str]:
    """A colour for each model: fixed for the shipped ones, distinct for the others."""
    others = [model for model in dict.fromkeys(models) if model not in COLOURS]
    palette = [to_hex(colour) for colour in colormaps["tab20"].colors]  # type: ignore[attr-defined]
    return {**COLOURS, **{model: palette[i % 20] for i, model in enumerate(others)}}


def _plot_line(
    axes: Axes, title: str, colour: str, points: list[ConditionResult], metric: str
) -> None:
    points = sorted(points, key=lambda point: point.tokens_per_step or 0.0)
    x = [point.tokens_per_step or 0.0 for point in points]
    estimates = [point.metrics[metric] for point in points]
    y = [e.value for e in estimates]
    low = [e.value - (e.value if e.low is None else e.low) for e in estimates]
    high = [(e.value if e.high is None else e.high) - e.value for e in estimates]
    if len(points) == 1:
        axes.axhline(y[0], color=colour, linestyle=":", linewidth=1.2, label=title)
        return
    style = "-" if points[0].sampler == "refine" else "--"
    axes.errorbar(
        x,
        y,
        yerr=[low, high],
        color=colour,
        linestyle=style,
        marker="o",
        markersize=4,
        capsize=2,
        linewidth=1.5,
        label=title,
    )


def plot_losses(root: Path, stages: Sequence[str], path: Path) -> bool:
    """Loss against step, a panel a stage and a line a part.

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
        for part in parts or ["loss"]:
            points = [(entry["step"], entry[part]) for entry in entries if part in entry]
            panel.plot(*zip(*points, strict=True), linewidth=1, label=part.removeprefix("loss_"))
        panel.set_title(name, fontsize=9)
        panel.set_yscale("log")
        for set_formatter in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
            set_formatter(LogFormatter(minor_thresholds=(1.0, 0.5)))
        panel.tick_params(labelsize=7, which="both")
        panel.grid(alpha=0.25)
        panel.legend(frameon=False, fontsize=7)
    figure.savefig(path)
    return True
