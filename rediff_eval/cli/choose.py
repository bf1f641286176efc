"""`rediff-eval choose`: the best setting of each sampler, frozen in a grid's file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Choose the best setting of each sampler, as a grid's file.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--metric", default="capture", show_default=True, help="Metric to choose by.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Model of the grid, repeatable; default: those of RUNS.",
)
@click.option("--steps", help="Steps of the grid, e.g. 80,40,20; default: those of RUNS.")
@click.option(
    "--out",
    default=Path("grid.yaml"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The grid's file, for `run --grid`.",
)
def choose(
    runs: tuple[Path, ...], metric: str, models: tuple[str, ...], steps: str | None, out: Path
) -> None:
    """Choose the setting of each sampler in RUNS with the highest mean, and write them as a grid.

    RUNS are of validation data; several settings of a sampler, as in `--sampler t2m,below=0.1|0.5`,
    are compared by their mean over all models and budgets. The grid is then frozen: run it once on
    the test split.
    """
    from rediff.io.files import replace
    from rediff_eval.cli.options import parse_steps, tell
    from rediff_eval.results.finished import finished
    from rediff_eval.sanitize import plain
    from rediff_eval.views.choices import choose as choose_settings
    from rediff_eval.views.choices import to_grid
    from rediff_eval.views.samples import load_samples

    done = finished(runs, tell)
    choices = choose_settings(done, metric)
    conditions = load_samples(done, ())
    names = models or tuple(dict.fromkeys(conditions["model"]))
    budgets = parse_steps(steps) or sorted({*conditions["steps"]}, reverse=True)
    grid = to_grid(choices, names, budgets, metric)
    replace(out, grid)
    for line in grid.splitlines():
        click.echo(plain(line))
    click.echo(f"Grid in {out}")
