"""The folder of an arena: a table as CSV, tables and verdicts as Markdown, and a picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from rediff.decoding.registry import sampler_name
from rediff.io.files import replace
from rediff_eval.results.finished import infos_of_runs
from rediff_eval.results.paired import LEVEL
from rediff_eval.sanitize import markdown
from rediff_eval.views.arena import Contender, verdict
from rediff_eval.views.arena_writing import how_they_write, writing_table
from rediff_eval.views.front import pareto

LETTER, LINE = 0.065, 0.04
"""Room of a label: doublings of the cost for a letter, and the quality that a line is high."""
FRONT = "#d1781e"
AXES = {"passes": "forward passes", "gflop": "GFLOP a caption"}


def write_arena(
    found: Sequence[Contender], runs: Sequence[Path], metric: str, folder: Path
) -> None:
    """Writes `arena.csv`, `writing.csv`, `arena.md` and `arena.png`.

    Args:
        found: all contenders.
        runs: that they are of.
        metric: that was compared.
        folder: made where it is not there.
    """
    written = how_they_write(runs)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "arena.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Contender)])
        writer.writeheader()
        for contender in found:
            writer.writerow(
                {
                    k: round(v, 5) if isinstance(v, float) else v
                    for k, v in asdict(contender).items()
                }
            )
    written.round(5).to_csv(folder / "writing.csv")
    infos = infos_of_runs(runs)
    tables = {model: writing_table(written, mine, infos) for model, mine in by_model(found).items()}
    replace(folder / "arena.md", to_markdown(found, metric, tables))
    plot_arena(found, metric, folder / "arena.png")


def by_model(found: Sequence[Contender]) -> dict[str, list[Contender]]:
    """Each model's contenders."""
    models = dict.fromkeys(c.model for c in found)
    return {model: [c for c in found if c.model == model] for model in models}


def to_markdown(
    found: Sequence[Contender], metric: str, written: Mapping[str, Sequence[str]]
) -> str:
    """A table for each model, samplers by budgets, and of how they write; then a verdict for each
    sampler."""
    lines = []
    for model, mine in by_model(found).items():
        steps = sorted({c.steps for c in mine}, reverse=True)
        lines += [
            f"## {markdown(model)}",
            "",
            f"{metric} (forward passes); + and - differ significantly from its default sampler at"
            " as many passes, or where that has never as many or as few (`~`) at the nearest; `*`"
            " is on the front by passes, `†` by operations.",
            "",
            "| sampler | " + " | ".join(f"{s} steps" for s in steps) + " |",
            "|---|" + "---|" * len(steps),
        ]
        for sampler in _by_quality(mine):
            cells = {c.steps: _cell(c) for c in mine if c.sampler == sampler}
            default = any(c.default for c in mine if c.sampler == sampler)
            name = f"**{markdown(sampler)}** (default)" if default else markdown(sampler)
            lines.append(f"| {name} | " + " | ".join(cells.get(s, "–") for s in steps) + " |")
        lines += ["", f"Half the interval that holds for all of them at once: {_half(mine)}."]
        lines += [*written[model], ""]
    return "\n".join([*lines, *_verdicts(found), ""])


def _verdicts(found: Sequence[Contender]) -> list[str]:
    """A table of samplers by models."""
    models = list(by_model(found))
    lines = [
        "## Verdicts",
        "",
        "Steps at which each differs significantly from the model's default, at equal passes, or",
        "(`~`) at the nearest that the default has.",
        "",
        "| sampler | " + " | ".join(map(markdown, models)) + " |",
        "|---|" + "---|" * len(models),
    ]
    for sampler in dict.fromkeys(c.sampler for c in found):
        cells = (verdict(found, sampler, model) for model in models)
        lines.append(f"| {markdown(sampler)} | " + " | ".join(cells) + " |")
    return lines


def _by_quality(mine: Sequence[Contender]) -> list[str]:
    """The samplers, best mean over budgets first."""
    names = dict.fromkeys(c.sampler for c in mine)
    means = {name: [c.quality for c in mine if c.sampler == name] for name in names}
    return sorted(names, key=lambda name: -sum(means[name]) / len(means[name]))


def _cell(c: Contender) -> str:
    sign = ("+" if c.difference > 0 else "-") if c.p_holm < LEVEL else ""
    fronts = f"{'*' if c.front else ''}{'†' if c.front_gflop else ''}"
    return f"{c.quality:.3f}{sign} ({'~' if c.outside else ''}{c.passes:.1f}){fronts}"


def _half(mine: Sequence[Contender]) -> str:
    halves = [c.half for c in mine]
    return f"{min(halves):.3f} to {max(halves):.3f}"


def plot_arena(found: Sequence[Contender], metric: str, path: Path) -> None:
    """Quality against passes and against operations, a row of two panels for each model.

    Args:
        found: all contenders.
        metric: that was compared.
        path: of the PNG.
    """
    models = by_model(found)
    figure = Figure(figsize=(11, 3.6 * len(models)), dpi=120, layout="constrained")
    panels = figure.subplots(len(models), 2, squeeze=False)
    for row, (model, mine) in zip(panels, models.items(), strict=True):
        for panel, (axis, title) in zip(row, AXES.items(), strict=True):
            _draw(panel, [(x, c) for c in mine if (x := getattr(c, axis)) is not None])
            panel.set(xlabel=title, ylabel=metric)
            panel.set_title(model, fontsize=9)
    panels[0, 0].legend(frameon=False, fontsize=8)
    figure.savefig(path, format="png")


def _labelled(front: Sequence[tuple[float, Contender]]) -> list[tuple[float, Contender]]:
    """The points of the front that have room for a name: of several near each other the best."""
    found: list[tuple[float, Contender]] = []
    for point in sorted(front, key=lambda point: -point[1].quality):
        if not any(_overlap(point, other) for other in found):
            found.append(point)
    return found


def _overlap(one: tuple[float, Contender], two: tuple[float, Contender]) -> bool:
    """Whether the names to the right of two points would lie over each other."""
    (x, left), (_, right) = sorted((one, two), key=lambda point: point[0])
    width = LETTER * len(sampler_name(left.sampler))
    near = abs(left.quality - right.quality) < LINE
    return near and math.log2(max(one[0], two[0]) / x) < width


def _draw(panel: Axes, points: Sequence[tuple[float, Contender]]) -> None:
    """All conditions of a model, the line of its default sampler, and the front with its names."""
    others = [(x, c.quality) for x, c in points if not c.default]
    panel.scatter(
        [x for x, _ in others], [y for _, y in others], s=12, color="#9aa5b1", label="samplers"
    )
    default = sorted((x, c.quality, c.half) for x, c in points if c.default)
    panel.errorbar(
        [x for x, _, _ in default],
        [y for _, y, _ in default],
        yerr=[half for _, _, half in default],
        color="#1f5fa8",
        marker="o",
        capsize=2,
        label="default",
    )
    front = pareto(points, lambda point: (point[0], point[1].quality))
    xs, ys = [x for x, _ in front], [c.quality for _, c in front]
    panel.step(xs, ys, where="post", color=FRONT, linewidth=1, label="front")
    halves = [c.half for _, c in front]
    panel.errorbar(xs, ys, yerr=halves, fmt="none", ecolor=FRONT, elinewidth=0.6, alpha=0.6)
    for x, c in _labelled(front):
        name, place = sampler_name(c.sampler), (x, c.quality)
        panel.annotate(name, place, (3, 5), textcoords="offset points", fontsize=6)
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
