"""`rediff-eval report`: a page to look at."""

from __future__ import annotations

from pathlib import Path

import click

from rediff_eval.cli.options import tell


@click.command(short_help="Write a page about runs: tables, plots, captions, steps.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page; default: report.html in the first run.",
)
@click.option(
    "--samples",
    "count",
    default=24,
    show_default=True,
    type=click.IntRange(min=0),
    help="Samples in the gallery.",
)
@click.option("--id", "ids", multiple=True, help="A sample to show besides, repeatable.")
@click.option(
    "--speed",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of `rediff-eval speed`, to draw quality against latency and throughput, too.",
)
def report(
    runs: tuple[Path, ...], out: Path | None, count: int, ids: tuple[str, ...], speed: Path | None
) -> None:
    """Write one self-contained HTML page about RUNS.

    Leaderboard, quality against cost, captions side by side, and the denoising steps of the
    samples whose traces were kept.
    """
    from rediff.io.files import replace
    from rediff_eval.results.finished import finished
    from rediff_eval.views.report.collect import load_run
    from rediff_eval.views.report.page import render

    done = finished(runs, tell)
    path = out or done[0] / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, render([load_run(run, count=count, ids=ids, speed=speed) for run in done]))
    click.echo(f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB).")
