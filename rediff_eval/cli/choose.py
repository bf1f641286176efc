"""`rediff-eval choose`: the best setting of each sampler, frozen in a grid's file."""

from __future__ import annotations

from pathlib import Path

import click

from rediff_eval.cli.options import parse_steps, plugin_option, tell


@click.command(short_help="Choose the best setting of each sampler, as a grid's file.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--metric", default="capture", show_default=True, help="Metric to choose by.")
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Model of the grid, repeatable.",
)
@click.option("--steps", required=True, help="Steps of the grid, comma-separated.")
@click.option(
    "--out",
    default=Path("chosen.yaml"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The grid's file, for `run --grid`; it must not be there yet.",
)
@plugin_option
def choose(
    runs: tuple[Path, ...], metric: str, models: tuple[str, ...], steps: str, out: Path
) -> None:
    """Choose the setting of each sampler in RUNS with the best mean, and write them as a grid.

    RUNS are of validation data; several settings of a sampler, as in `--sampler t2m,below=0.1|0.5`,
    are compared by their mean over all models and budgets. The grid is then frozen: run it once on
    the test split.
    """
    from rediff.decoding.registry import SAMPLERS
    from rediff.io.files import replace
    from rediff_eval.results.finished import finished, read_results
    from rediff_eval.sanitize import plain
    from rediff_eval.views.choices import choose as choose_settings
    from rediff_eval.views.choices import to_grid

    if out.exists():
        raise ValueError(f"{out} is there already: name another file")
    budgets = parse_steps(steps)
    done = finished(runs, tell)
    for run in done:
        if (read_results(run)["manifest"]["task"].get("scenes") or {}).get("split") == "test":
            tell(f"{run} is of the test split: choose on validation data")
    grid = to_grid(choose_settings(done, metric, SAMPLERS), models, budgets, metric)
    replace(out, grid)
    for line in grid.splitlines():
        click.echo(plain(line))
    click.echo(f"Grid in {out}")
