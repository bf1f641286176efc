"""Plots of a run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rediff_eval.results.numbers import ConditionResult, Results
from rediff_eval.views.columns import label
from rediff_eval.views.front import pareto
from rediff_eval.views.line_styles import Style, line_styles

MARKS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "cross": "X"}
IN_LEGEND = 6
"""More lines than so many are named at their ends."""
COSTS = {"nfe": "forward passes a caption", "gflop": "GFLOP a caption"}
"""The costs on the axis of quality plots; not a run's seconds, since it shares its machine."""
Lines = dict[tuple[str, str], list[ConditionResult]]
Place = Callable[[ConditionResult], float | None]


def plot_quality(results: Results, path: Path | IO[bytes]) -> None:
    """The main metric against tokens per step: a line for each model and sampler, bars for
    intervals; a model without budgets is a level.

    Args:
        results: of a run.
        path: of the PNG.
    """
    figure = Figure(figsize=(7.6, 4.6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, results, lambda condition: condition.tokens_per_step, "tokens per step")
    ticks = sorted({c.tokens_per_step for c in results.conditions if c.tokens_per_step is not None})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_title(_title(results), fontsize=9)
    figure.savefig(path, format="png")


def plot_front(results: Results, path: Path | IO[bytes]) -> bool:
    """The main metric against each cost that is known, with the Pareto front of all conditions.

    Args:
        results: of a run.
        path: of the PNG.

    Returns:
        False if no cost is known, and nothing is drawn.
    """
    metric = results.main_metric
    ranked = [c for c in results.conditions if metric in c.metrics]
    known = [cost for cost in COSTS if any(cost in condition.metrics for condition in ranked)]
    if not known:
        return False
    figure = Figure(figsize=(6.2 * len(known), 4.4), dpi=150, layout="constrained")
    for axes, cost in zip(figure.subplots(1, len(known), squeeze=False)[0], known, strict=True):

        def place(condition: ConditionResult, cost: str = cost) -> float | None:
            return condition.metrics[cost].value if cost in condition.metrics else None

        points = [(x, c.metrics[metric].value) for c in ranked if (x := place(c))]
        front = pareto(points, lambda point: point)
        axes.plot(*zip(*front, strict=True), color="#9aa4ad", linewidth=7, alpha=0.35, zorder=0)
        _draw(axes, results, place, COSTS[cost])
    figure.suptitle(f"{_title(results)}; grey: the Pareto front", fontsize=9)
    figure.savefig(path, format="png")
    return True


def _title(results: Results) -> str:
    data = results.manifest["data"]
    return f"{data['name']}, {data['samples']} samples, 95% intervals"


def _draw(axes: Axes, results: Results, place: Place, x_label: str) -> None:
    lines: Lines = defaultdict(list)
    for condition in results.conditions:
        if results.main_metric in condition.metrics:
            lines[condition.model, condition.sampler].append(condition)
    styles = line_styles(lines)
    named = len(lines) > IN_LEGEND
    ends = []
    for pair, conditions in lines.items():
        end = _draw_line(axes, pair, styles[pair], conditions, results.main_metric, place)
        ends.append((f"{pair[0]} ({pair[1]})", styles[pair].colour, end))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(x_label)
    axes.set_ylabel(label(results.main_metric, results.metrics))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if named:
        _name_ends(axes, [(name, colour, end) for name, colour, end in ends if end is not None])
    else:
        axes.legend(frameon=False, fontsize=8)


def _draw_line(
    axes: Axes,
    pair: tuple[str, str],
    style: Style,
    conditions: Sequence[ConditionResult],
    metric: str,
    place: Place,
) -> tuple[float, float] | None:
    """Draws a line; its right end, None for a level or nothing."""
    name = f"{pair[0]} ({pair[1]})"
    placed = sorted((x, c.metrics[metric]) for c in conditions if (x := place(c)))
    if not placed:
        for condition in conditions[:1]:
            level = condition.metrics[metric].value
            axes.axhline(level, color=style.colour, linestyle=":", linewidth=1.2, label=name)
        return None
    xs, estimates = [x for x, _ in placed], [estimate for _, estimate in placed]
    ys = [estimate.value for estimate in estimates]
    low = [y - (y if e.low is None else e.low) for y, e in zip(ys, estimates, strict=True)]
    high = [(y if e.high is None else e.high) - y for y, e in zip(ys, estimates, strict=True)]
    dashes = tuple(map(float, style.dash.split()))
    axes.errorbar(
        xs,
        ys,
        yerr=[low, high],
        color=style.colour,
        marker=MARKS[style.marker],
        markersize=5,
        linestyle=(0, dashes) if dashes else "-",
        capsize=2,
        linewidth=1.5,
        label=name,
    )
    return xs[-1], ys[-1]


def _name_ends(axes: Axes, ends: Sequence[tuple[str, str, tuple[float, float]]]) -> None:
    """Writes names at the right ends of lines, from top to bottom, none over another."""
    bottom, top = axes.get_ylim()
    room = (top - bottom) / max(24, len(ends) + 1)
    right, height = axes.get_xlim()[1], math.inf
    for name, colour, (x, y) in sorted(ends, key=lambda end: -end[2][1]):
        height = min(y, height - room)
        axes.annotate(
            name,
            (x, y),
            (right, height),
            fontsize=7,
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.4, "relpos": (0, 0.5)},
        )
