"""`rediff-eval leaderboard`: collect runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--metric", default="capture", show_default=True, help="Metric to lay out.")
@click.option(
    "--format", "form", default="table", show_default=True,
    type=click.Choice(["table", "csv", "md"]), help="Output format.",
)  # fmt: skip
def leaderboard(runs: tuple[Path, ...], metric: str, form: str) -> None:
    """Lay out one metric of several runs, models against tokens per step."""
    from rediff_eval.leaderboard import load, pivot

    wide = pivot(load(runs), metric)
    if form == "csv":
        click.echo(wide.to_csv(), nl=False)
    elif form == "md":
        click.echo(_markdown(wide.reset_index()))
    else:
        click.echo(wide.to_string(float_format="%.3f"))


def _markdown(frame: pandas.DataFrame) -> str:
    lines = ["| " + " | ".join(map(str, frame.columns)) + " |", "|" + "---|" * len(frame.columns)]
    for row in frame.itertuples(index=False):
        cells = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
