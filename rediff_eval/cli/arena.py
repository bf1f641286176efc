"""`rediff-eval arena`: samplers against each model's default one, at equal forward passes."""

from __future__ import annotations

from pathlib import Path

import click

from rediff_eval.cli.options import tell


@click.command(short_help="Hold samplers against each model's default one.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--metric", default="capture", show_default=True, help="Metric to compare by.")
@click.option(
    "--default",
    "named",
    multiple=True,
    metavar="MODEL:SAMPLER",
    help="A model's default sampler, repeatable; by default that of its checkpoint.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the resampling.")
@click.option(
    "--out",
    default=Path("arena"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the tables and the picture.",
)
def arena(
    runs: tuple[Path, ...], metric: str, named: tuple[str, ...], seed: int, out: Path
) -> None:
    """Hold every sampler of RUNS against its model's default one at equal passes; say who helps."""
    from rich.table import Table
    from rich.text import Text

    from rediff_eval.results.finished import finished
    from rediff_eval.sanitize import plain
    from rediff_eval.views.arena import contenders, default_samplers, verdict
    from rediff_eval.views.arena_folder import by_model, write_arena
    from rediff_eval.views.tables import print_wide

    done = finished(runs, tell)
    defaults = default_samplers(done, dict(_pair(text) for text in named))
    found = contenders(done, metric, defaults, seed=seed)
    write_arena(found, done, metric, out)
    table = Table(
        title=f"{metric} against each model's default sampler, at equal passes (~ nearest)"
    )
    table.add_column("sampler", no_wrap=True)
    models = list(by_model(found))
    for model in models:
        table.add_column(Text(plain(model)))
    for sampler in dict.fromkeys(c.sampler for c in found):
        table.add_row(Text(plain(sampler)), *(verdict(found, sampler, model) for model in models))
    print_wide(table)
    click.echo(f"Tables and picture in {out}")


def _pair(text: str) -> tuple[str, str]:
    model, colon, sampler = text.partition(":")
    if not colon or not model or not sampler:
        raise click.BadParameter(f"{text!r}: expected MODEL:SAMPLER", param_hint="--default")
    return model, sampler
