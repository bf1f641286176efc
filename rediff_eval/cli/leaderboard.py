"""`rediff-eval leaderboard`: collect runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rediff_eval.cli.options import tell

if TYPE_CHECKING:
    import pandas

FORMS = ("table", "md", "csv", "json", "html", "latex")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Metric to lay out, repeatable; default: the main metric of each run.",
)
@click.option(
    "--by",
    default="model,sampler,tokens_per_step",
    show_default=True,
    help="Columns that make a row; a budget (tokens_per_step, steps) is spread over columns.",
)
@click.option(
    "--format",
    "form",
    default="table",
    show_default=True,
    type=click.Choice(FORMS),
    help="Output format; csv and json are in long form, with intervals and counts.",
)
@click.option("--paper/--no-paper", default=False, help="The paper's numbers too, as quoted.")
def leaderboard(
    runs: tuple[Path, ...], metrics: tuple[str, ...], by: str, form: str, paper: bool
) -> None:
    """Lay out metrics of several runs, best first.

    Numbers that cannot be compared (other data, another scorer, quoted) never share a table.
    """
    import json

    from rediff_eval.benchmarks.task import paper_numbers
    from rediff_eval.results.finished import finished, read_results
    from rediff_eval.views.leaderboard import as_records, load, long_rows, rankings

    folders = finished(runs, tell)
    frame = load(folders, paper=paper_numbers() if paper else None)
    metrics = metrics or tuple(dict.fromkeys(read_results(f)["main_metric"] for f in folders))
    if form == "csv":
        click.echo(long_rows(frame, metrics).to_csv(index=False), nl=False)
        return
    if form == "json":
        click.echo(json.dumps(as_records(long_rows(frame, metrics)), indent=2))
        return
    columns = [name.strip() for name in by.split(",")]
    for metric in metrics:
        for title, table in rankings(frame, metric, columns):
            click.echo(_lay_out(title, table, form))


def _lay_out(title: str, table: pandas.DataFrame, form: str) -> str:
    from html import escape

    from rediff_eval.sanitize import markdown, plain

    flat = table.reset_index()
    flat = flat.rename(columns=_head)
    if form == "md":
        return f"### {markdown(title)}\n\n{_markdown(flat)}\n"
    if form == "html":
        return f"<h3>{escape(title)}</h3>\n" + flat.to_html(
            index=False, float_format="{:.3f}".format, na_rep="–", escape=True
        )
    flat = flat.map(lambda value: plain(value) if isinstance(value, str) else value)
    if form == "latex":
        style = flat.style.format(precision=3, na_rep="--", escape="latex")
        tex = style.format_index(axis="columns", escape="latex").hide(axis="index")
        return f"% {plain(title)}\n{tex.to_latex(hrules=True)}"
    return f"{plain(title)}\n{flat.to_string(float_format='%.3f', index=False, na_rep='–')}\n"


def _head(name: object) -> str:
    return f"{name:g}" if isinstance(name, float) else str(name)


def _markdown(frame: pandas.DataFrame) -> str:
    from rediff_eval.sanitize import markdown

    lines = ["| " + " | ".join(map(str, frame.columns)) + " |", "|" + "---|" * len(frame.columns)]
    for row in frame.itertuples(index=False):
        shown = [
            "–"
            if value != value
            else f"{value:.3f}"
            if isinstance(value, float)
            else markdown(str(value))
            for value in row
        ]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)
