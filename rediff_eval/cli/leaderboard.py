"""`rediff-eval leaderboard`: collect runs."""

from __future__ import annotations

from pathlib import Path

import click

from rediff_eval.cli.options import tell
from rediff_eval.cli.sheets import format_option, show


@click.command(short_help="Lay out metrics of several runs, best first.")
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
@format_option("Output format; csv and json are in long form, with intervals and counts.")
@click.option("--paper/--no-paper", default=False, help="The paper's numbers too, as quoted.")
def leaderboard(
    runs: tuple[Path, ...], metrics: tuple[str, ...], by: str, form: str, paper: bool
) -> None:
    """Lay out metrics of several runs, best first.

    Numbers that cannot be compared (other data, another scorer, quoted) never share a table.
    """
    import json

    from rediff_eval.benchmarks.task import paper_numbers
    from rediff_eval.results.finished import finished, metric_infos, read_results
    from rediff_eval.views.leaderboard import as_records, load, long_rows, ranked
    from rediff_eval.views.leaderboard_sheet import as_sheet

    folders = finished(runs, tell)
    frame = load(folders, paper=paper_numbers() if paper else None)
    contents = [read_results(folder) for folder in folders]
    metrics = metrics or tuple(dict.fromkeys(content["main_metric"] for content in contents))
    if form == "csv":
        click.echo(long_rows(frame, metrics).to_csv(index=False), nl=False)
        return
    if form == "json":
        click.echo(json.dumps(as_records(long_rows(frame, metrics)), indent=2))
        return
    columns = [name.strip() for name in by.split(",")]
    infos = {name: info for content in contents for name, info in metric_infos(content).items()}
    for metric in metrics:
        for ranking in ranked(frame, metric, columns):
            show(as_sheet(ranking, metric, infos), form)
