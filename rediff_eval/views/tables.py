"""Tables of a run, for the terminal and in Markdown."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rediff_eval.metrics.base import WORST
from rediff_eval.results.numbers import ConditionResult, Results
from rediff_eval.sanitize import as_options, markdown, plain
from rediff_eval.views.best import EXPLAINED, MARK, best_of_budgets
from rediff_eval.views.columns import digits, shown

WIDE = 400
"""Columns of a table that is not printed on a terminal."""
PIPED = 120
"""The same of the closing table of a run, which people read in logs."""
NAMES = 2
"""The first columns, which hold names."""
FRAME = 3
"""Columns that a table cell takes beside its text."""
LISTED = 10
"""Ids that a remark names at most."""


def table_rows(
    results: Results, metrics: Sequence[str] | None = None, marked: Collection[int] = ()
) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a row for each condition, the main metric with its interval.

    `metrics`: only these; None for all that tables show. `marked`: numbers of conditions whose main
    metric has a mark.
    """
    metrics = metrics_of(results) if metrics is None else metrics
    header = ["model", "sampler", "steps", "tokens/step", *metrics, "n"]
    rows = [_row(condition, metrics, results) for condition in results.conditions]
    if results.main_metric in metrics:
        place = header.index(results.main_metric)
        for number, row in enumerate(rows):
            row[place] += MARK if number in marked else " " * bool(marked)
    return header, rows


def metrics_of(results: Results) -> list[str]:
    """The metrics of a run that tables show."""
    there = {name for condition in results.conditions for name in condition.metrics}
    return shown(there, results.main_metric, results.metrics)


def fitting(results: Results, width: int, marked: Collection[int] = ()) -> list[str]:
    """Of the metrics those that fit in a table of `width` columns: the main one always, of the
    others the first."""
    metrics = metrics_of(results)
    header, rows = table_rows(results, metrics, marked)
    widths = [max(map(len, column)) + FRAME for column in zip(header, *rows, strict=True)]
    first = len(header) - len(metrics) - 1
    sizes = dict(zip(metrics, widths[first:-1], strict=True))
    room = width - 1 - sum(widths[:first]) - widths[-1] - sizes.get(results.main_metric, 0)
    kept = {results.main_metric}
    for name in metrics:
        if name not in kept and sizes[name] <= room:
            kept.add(name)
            room -= sizes[name]
    return [name for name in metrics if name in kept]


def _row(condition: ConditionResult, metrics: Sequence[str], results: Results) -> list[str]:
    n = max((estimate.n for estimate in condition.metrics.values()), default=0)
    numbers = [_format(condition, name, results) for name in metrics]
    steps = "–" if condition.steps is None else str(condition.steps)
    budget = "–" if condition.tokens_per_step is None else f"{condition.tokens_per_step:g}"
    return [condition.model, condition.sampler, steps, budget, *numbers, str(n)]


def _format(condition: ConditionResult, name: str, results: Results) -> str:
    """A number, the main metric's with its interval."""
    if name not in condition.metrics:
        return "–"
    estimate = condition.metrics[name]
    places = digits(name, results.metrics)
    text = f"{estimate.value:.{places}f}"
    if name == results.main_metric and estimate.low is not None:
        text += f" [{estimate.low:.{places}f}, {estimate.high:.{places}f}]"
    return text


def to_terminal(
    results: Results, metrics: Sequence[str] | None = None, marked: Collection[int] = ()
) -> Table:
    """A rich table (see `table_rows`), a rule between models; long names take further lines.

    Args:
        results: of a run.
        metrics: as for `table_rows`.
        marked: as for `table_rows`.
    """
    header, rows = table_rows(results, metrics, marked)
    table = Table(title=describe(results))
    for index, name in enumerate(header):
        if index < NAMES:
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        table.add_row(
            *(Text(plain(part)) for part in row),
            end_section=following is None or following[:2] != row[:2],
        )
    return table


def describe(results: Results) -> str:
    """The task and its data, and the judge with its preset, if there was one."""
    manifest = results.manifest
    title = f"{manifest['task']['name']} on {manifest['data']['name']}"
    judge = manifest.get("judge")
    preset = manifest.get("scoring", {}).get("preset")
    return title if judge is None else f"{title}, judge {plain(judge['model'])} ({preset})"


def print_table(results: Results) -> None:
    """Prints the table as it fits, the best of each budget marked, and the metrics that were not
    run or judged.

    Without a terminal it is `PIPED` columns wide, or as wide as COLUMNS says.
    """
    console = Console()
    width = console.width if console.is_terminal or "COLUMNS" in os.environ else PIPED
    marked = best_of_budgets(results)
    metrics = fitting(results, width, marked)
    Console(width=width).print(to_terminal(results, metrics, marked))
    left = [name for name in metrics_of(results) if name not in metrics]
    legend = [f"{MARK} {EXPLAINED}"] if marked else []
    more = [f"No room for {', '.join(left)}: see leaderboard.md"] if left else []
    for line in [*legend, *more, *_remarks(results)[1:], *_bill(results)]:
        console.print(plain(line), markup=False, highlight=False, soft_wrap=True)


def print_wide(table: Table) -> None:
    """Prints on standard output, at full width where that is not a terminal."""
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table)


def to_markdown(results: Results) -> str:
    """A page: how the table was made, the table, metrics that were not run, and failures."""
    header, rows = table_rows(results)
    manifest = results.manifest
    lines = [
        f"# {describe(results)}",
        "",
        f"{manifest['data']['samples']} samples, seed {manifest['seed']}; mean with 95% bootstrap"
        f" interval. Made by `rediff-eval {manifest['command']}`.",
        "",
        *pipe_table(
            header,
            [[markdown(part) if i < 2 else part for i, part in enumerate(row)] for row in rows],
        ),
        *_remarks(results),
    ]
    return "\n".join(lines) + "\n"


def amount(value: float | None, missing: str = "") -> str:
    """A count in groups of three, or a measure with two digits.

    Args:
        value: a whole number is a count.
        missing: the text of None.
    """
    if value is None:
        return missing
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def pipe_table(header: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a Markdown table; characters that could be taken for a mark are escaped
    already."""
    rule = "|" + "---|" * len(header)
    return [_piped(header), rule, *map(_piped, rows)]


def _piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _remarks(results: Results) -> list[str]:
    reasons = {f"{g}: not run, {why}" for c in results.conditions for g, why in c.not_run.items()}
    failures = {f"{i}: {e}" for c in results.conditions for i, e in c.failures.items()}
    lines = [
        *results.manifest.get("notes", ()),
        *sorted(reasons),
        *left_out_remarks(results),
        *unjudged_remarks(results),
        *sorted(failures),
    ]
    return ["", *(f"- {markdown(as_options(text))}" for text in lines)] if lines else []


def left_out_remarks(results: Results) -> list[str]:
    """A line for each group of metrics with samples that lack its needs."""
    return list(
        dict.fromkeys(
            f"{group}: {len(lacking)} of {condition.captions} samples left out:"
            f" {', '.join(list(lacking)[:LISTED])} ({next(iter(lacking.values()))})"
            for condition in results.conditions
            for group, lacking in condition.left_out.items()
        )
    )


def unjudged_remarks(results: Results) -> list[str]:
    """A line for each condition and metric with captions that a judge gave no verdict on."""
    return [
        f"{metric} of {one.model} ({one.sampler}, {one.steps} steps): {len(failures)} of"
        f" {one.captions} captions have no verdict{_left(metric, len(failures) < one.captions)};"
        f" the first, {next(iter(failures))}: {next(iter(failures.values()))}"
        for one in results.conditions
        for metric, failures in one.unjudged.items()
    ]


def _bill(results: Results) -> list[str]:
    usage = results.manifest["timing"].get("judge")
    if not usage:
        return []
    paid = "price not known" if usage["dollars"] is None else f"${usage['dollars']:.2f}"
    return [
        f"Judge: {usage['calls']} calls ({usage['failed']} failed), {usage['kept']} replies kept"
        f" from before, {usage['tokens_in']:,} tokens in, {usage['tokens_out']:,} out, {paid}"
    ]


def _left(metric: str, any_judged: bool) -> str:
    if not any_judged:
        return ", so there is no number"
    return f" and are left out; {metric}{WORST} counts them as the worst"
