"""The cost of captions, as a table, a file for programs, and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from rediff.captioners.timing import PHASES
from rediff_eval.sanitize import markdown, plain
from rediff_eval.speed.measure import Measured
from rediff_eval.views.tables import pipe_table

UNKNOWN = "not known"
HEAD = (
    *("model", "sampler", "steps", "passes", "computed", "GFLOP", "ms", "times"),
    *("picture", "prefill", "passes, ms", "choosing", "captions/s", "batch", "MB", "J"),
)
"""Columns; `ms`: of a caption at batch 1; `times`: how much quicker than the first row."""


def to_record(measured: Measured) -> dict[str, Any]:
    """A row as plain JSON values, seconds and bytes."""
    condition, best = measured.condition, measured.best_batch
    joules = measured.joules.get(best)
    return {
        "model": condition.model,
        "sampler": condition.sampler,
        "steps": condition.steps,
        "passes": measured.mean("nfe"),
        "computed": measured.mean("computed"),
        "flops": measured.mean("flops"),
        "latency": _interval(measured.latency),
        "phases": {name: measured.phase(name) for name in PHASES},
        "throughput": _interval(measured.throughput),
        "batch_size": best,
        "seconds": {str(size): values for size, values in measured.seconds.items()},
        "memory": {str(size): value for size, value in measured.memory.items()},
        "joules": None if not joules else sum(joules) / len(joules),
    }


def _interval(found: Any) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


def rows_of(records: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The cells of the table, milliseconds and megabytes."""
    first = records[0]["latency"]["value"]
    return [_row(record, first) for record in records]


def _row(record: Mapping[str, Any], first: float) -> list[str]:
    def number(value: float | None, form: str, scale: float = 1.0) -> str:
        return UNKNOWN if value is None else format(value * scale, form)

    latency, rate, best = record["latency"], record["throughput"], record["batch_size"]
    phases = [number(record["phases"][name], ".1f", 1e3) for name in PHASES]
    return [
        record["model"],
        record["sampler"],
        "" if record["steps"] is None else str(record["steps"]),
        number(record["passes"], ".1f"),
        number(record["computed"], ",.0f"),
        number(record["flops"], ",.2f", 1e-9),
        f"{1e3 * latency['value']:.1f} [{1e3 * latency['low']:.1f}, {1e3 * latency['high']:.1f}]",
        f"{first / latency['value']:.2f}",
        *phases,
        f"{rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]",
        str(best),
        number(record["memory"][str(best)], ",.1f", 1e-6),
        number(record["joules"], ".2f"),
    ]


def to_terminal(records: Sequence[Mapping[str, Any]], title: str) -> Table:
    """For a terminal.

    Args:
        records: as `to_record` makes them.
        title: says on what they were measured.
    """
    table = Table(title=title)
    for index, name in enumerate(HEAD):
        table.add_column(name, justify="left" if index < 2 else "right", no_wrap=True)
    for row in rows_of(records):
        table.add_row(*(Text(plain(cell)) for cell in row))
    return table


def to_markdown(records: Sequence[Mapping[str, Any]], title: str) -> str:
    """The same for a file.

    Args:
        records: as `to_record` makes them.
        title: says on what they were measured.
    """
    rows = [[markdown(row[0]), markdown(row[1]), *row[2:]] for row in rows_of(records)]
    return "\n".join([f"{title}", "", *pipe_table(HEAD, rows), ""])


def plot_speed(records: Sequence[Mapping[str, Any]], title: str, path: Path | IO[bytes]) -> None:
    """A bar a row: the phases of a caption at batch 1, and a mark for a caption at the best batch.

    Args:
        records: as `to_record` makes them.
        title: says on what they were measured.
        path: of the PNG.
    """
    figure = Figure(figsize=(7.6, 1.1 + 0.38 * len(records)), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    names = [_name(record) for record in records]
    lefts = [0.0] * len(records)
    shades = dict(zip(PHASES, ("#2d8a4e", "#5aa0c8", "#1f5fa8", "#d1781e"), strict=True))
    for phase, shade in shades.items():
        widths = [1e3 * (record["phases"][phase] or 0.0) for record in records]
        axes.barh(names, widths, left=lefts, color=shade, label=phase, height=0.6)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    whole = [1e3 * record["latency"]["value"] for record in records]
    rest = [max(0.0, all_ - known) for all_, known in zip(whole, lefts, strict=True)]
    axes.barh(names, rest, left=lefts, color="#c8c8c8", label="other", height=0.6)
    best = [1e3 / record["throughput"]["value"] for record in records]
    axes.plot(best, range(len(records)), "D", color="black", markersize=4, label="best batch")
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds a caption, batch 1")
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=6)
    figure.savefig(path, format="png")


def _name(record: Mapping[str, Any]) -> str:
    steps = "" if record["steps"] is None else f", {record['steps']} steps"
    return f"{record['model']} ({record['sampler']}){steps}"
