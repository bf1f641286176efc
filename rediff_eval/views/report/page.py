"""The page of one or several runs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rediff_eval.results.paired import stars
from rediff_eval.sanitize import plain
from rediff_eval.views.columns import digits, shown
from rediff_eval.views.compare import Comparison
from rediff_eval.views.line_styles import Style, line_styles
from rediff_eval.views.report.collect import BEST_BATCH, LATENCY, Run
from rediff_eval.views.report.reliability import Reliability
from rediff_eval.views.report.svg import Line, Point, chart, marker, square_chart

FOLDER = Path(__file__).parent


def render(runs: Sequence[Run]) -> str:
    """The whole page. Everything that comes from outside is escaped or set as text by the script;
    the page's policy lets no other script run and loads nothing."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (FOLDER / "viewer.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2").render(
        runs=[_view(run) for run in runs],
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=digest,
        data=pack({"runs": [_viewer_data(run) for run in runs]}),
    )


def pack(value: Any) -> str:
    """JSON, compressed, in base64: captions of one picture are much alike, and of the letters of
    base64 none means anything in HTML. The page's script unpacks it."""
    text = json.dumps(value, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _view(run: Run) -> dict[str, Any]:
    measured = {name for cell in run.cells for name in cell["metrics"]}
    metrics = shown(measured, run.main_metric, run.infos)
    return {
        "name": plain(str(run.folder)),
        "manifest": run.manifest,
        "main": run.main_metric if run.main_metric in measured else "",
        "metrics": metrics,
        "rows": [_row(cell, metrics, run) for cell in run.cells],
        "legend": _legend(run),
        "charts": [Markup(svg) for svg in _charts(run) if svg],
        "right": _certainty_charts(run, Reliability.right, "share right", diagonal=True),
        "mended": _certainty_charts(run, Reliability.mended, "share mended", diagonal=False),
        "tests": _tests(run.tests),
        "missing": run.missing,
        "notes": run.manifest.get("notes", ()),
        "failures": sorted({f"{i}: {e}" for c in run.cells for i, e in c["failures"].items()}),
        "not_run": sorted({f"{g}: {why}" for c in run.cells for g, why in c["not_run"].items()}),
    }


def _row(cell: Mapping[str, Any], metrics: Sequence[str], run: Run) -> dict[str, Any]:
    return {
        "head": [
            cell["model"],
            cell["sampler"],
            _dash(cell["steps"]),
            _dash(cell["tokens_per_step"]),
        ],
        "numbers": [
            _number(
                cell["metrics"].get(name),
                digits(name, run.infos),
                interval=name == run.main_metric,
            )
            for name in metrics
        ],
        "counts": [
            cell["captions"],
            len(cell["failures"]),
            _unscored(cell, run.main_metric) if run.main_metric in metrics else "–",
            cell["truncated"],
        ],
    }


def _unscored(cell: Mapping[str, Any], metric: str) -> int:
    """Captions without a value of a metric."""
    return int(cell["captions"] - cell["metrics"].get(metric, {"n": 0})["n"])


def _dash(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _number(estimate: Mapping[str, Any] | None, places: int, *, interval: bool) -> str:
    if estimate is None:
        return "–"
    text = f"{estimate['value']:.{places}f}"
    if interval and estimate["low"] is not None:
        text += f" [{estimate['low']:.{places}f}, {estimate['high']:.{places}f}]"
    return text


def _line_name(cell: Mapping[str, Any]) -> str:
    return f"{cell['model']} ({cell['sampler']})"


COSTS = {
    "nfe": "forward passes",
    "gflop": "GFLOP a caption",
    LATENCY: "milliseconds a caption, batch 1",
    BEST_BATCH: "milliseconds a caption, best batch",
}
"""What quality is drawn against, with the front of what no other beats in both: what a run knows of
itself, and what `rediff-eval speed` has measured. A run's own seconds are not among them: it shares
its machine with whatever else runs there."""


def _charts(run: Run) -> list[str]:
    """The main metric against tokens per step, and against the cost of captions."""
    budgets = _lines(run, "tokens_per_step")
    charts = [chart(budgets, x_label="tokens per step", y_label=run.main_metric)]
    for cost, label in COSTS.items():
        lines = _lines(run, cost)
        if any(line.points for line in lines):
            charts.append(chart(lines, x_label=label, y_label=run.main_metric, front=True))
    return charts


def _lines(run: Run, x: str) -> list[Line]:
    names = list(dict.fromkeys(_line_name(cell) for cell in run.cells))
    points: dict[str, list[Point]] = {name: [] for name in names}
    for cell in run.cells:
        estimate, measured = cell["metrics"].get(run.main_metric), cell["metrics"].get(x, {})
        place = cell.get(x, measured.get("value"))
        if estimate is not None and place is not None:
            value = estimate["value"]
            low = value if estimate["low"] is None else estimate["low"]
            high = value if estimate["high"] is None else estimate["high"]
            points[_line_name(cell)].append(Point(place, value, low, high))
    styles = _styles(run)
    return [Line(name, styles[name], points[name]) for name in names]


def _certainty_charts(
    run: Run, points: Callable[[Reliability], list[Point]], share: str, *, diagonal: bool
) -> list[Markup]:
    """A share of words against the confidence they were written with, for each budget."""
    styles = _styles(run)
    budgets: dict[str, list[Line]] = {}
    for number, found in run.reliability.items():
        if there := points(found):
            cell = run.cells[number]
            name = _line_name(cell)
            budget = f"tokens per step: {_dash(cell['tokens_per_step'])}"
            budgets.setdefault(budget, []).append(Line(name, styles[name], there))
    return [
        Markup(
            square_chart(
                lines,
                x_label=f"confidence when written, {budget}",
                y_label=share,
                diagonal=diagonal,
            )
        )
        for budget, lines in budgets.items()
    ]


def _tests(found: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """The comparisons with the best of each budget, as texts."""
    return [
        (
            c.steps,
            c.a,
            c.b,
            f"{c.difference:+.3f}{stars(c.p_holm)}",
            f"{c.low:+.3f} to {c.high:+.3f}",
            f"{c.p_holm:.4f}",
            str(c.n),
        )
        for c in found
    ]


def _styles(run: Run) -> dict[str, Style]:
    """The style of each line, by its name."""
    pairs = [(cell["model"], cell["sampler"]) for cell in run.cells]
    return {f"{model} ({sampler})": s for (model, sampler), s in line_styles(pairs).items()}


def _legend(run: Run) -> list[dict[str, str]]:
    """Each line's name, colour and marker."""
    return [
        {"name": name, "colour": style.colour, "mark": marker(style.marker, 8, 7)}
        for name, style in _styles(run).items()
    ]


def _viewer_data(run: Run) -> dict[str, Any]:
    """The data from which the page's script builds gallery and trace viewer."""
    return {
        "cells": [
            {
                "name": _line_name(c),
                "steps": c["steps"],
                "tokens": c["tokens_per_step"],
                "mean": c["metrics"].get(run.main_metric, {}).get("value"),
            }
            for c in run.cells
        ],
        "main": run.main_metric,
        "lower": run.main_metric in run.infos and run.infos[run.main_metric].lower_is_better,
        "samples": [
            {
                "id": plain(shown.id),
                "picture": shown.picture,
                "references": list(shown.references),
                "said": list(shown.said),
                "answers": {str(n): _answer(a) for n, a in sorted(shown.answers.items())},
                "scores": {str(n): round(v, 4) for n, v in sorted(shown.scores.items())},
            }
            for shown in run.shown
        ],
    }


def _answer(line: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("text", "error", "nfe", "tokens", "truncated", "revisions", "trace")
    return {name: line[name] for name in kept if name in line}
