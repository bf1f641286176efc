"""`rediff-eval show`: how a run's captions came about, in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click


@click.command(short_help="Play the denoising steps of a caption of a run.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--id", "sample_id", help="Sample; default: the first whose steps were kept.")
@click.option("--model", help="Model; default: the first.")
@click.option("--sampler", help="Sampler; default: the first.")
@click.option("--steps", type=int, help="Budget; default: the first.")
@click.option(
    "--delay",
    default=0.25,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds between steps on a terminal.",
)
@click.option("--list", "listed", is_flag=True, help="List the captions whose steps were kept.")
def show(
    run: Path,
    sample_id: str | None,
    model: str | None,
    sampler: str | None,
    steps: int | None,
    delay: float,
    listed: bool,
) -> None:
    """Play the denoising steps of one caption of RUN, and print the caption."""
    from rich.console import Console

    from rediff_eval.results.finished import read_captions
    from rediff_eval.sanitize import plain
    from rediff_eval.views.trace_player import play

    wanted = {"id": sample_id, "model": model, "sampler": sampler, "steps": steps}
    kept = (
        line
        for line in read_captions(run)
        if "trace" in line and all(v is None or line[k] == v for k, v in wanted.items())
    )
    if listed:
        print_kept(kept)
        return
    line = next(kept, None)
    if line is None:
        raise ValueError(
            f"{run} kept the steps of no such caption: `show {run} --list` lists those that it has,"
            " and `run --keep-traces` says how many are kept"
        )
    console = Console()
    title = f"{line['id']}: {line['model']} ({line['sampler']}), {line['steps']} steps"
    console.print(plain(title), style="bold", markup=False)
    play(line["trace"], console, delay=delay, budget=line["steps"])
    click.echo(plain(line["text"]))


def print_kept(lines: Iterable[Mapping[str, Any]]) -> None:
    """A table of captions whose steps were kept."""
    from rich.table import Table
    from rich.text import Text

    from rediff_eval.sanitize import plain
    from rediff_eval.views.tables import print_wide

    table = Table()
    for name in ("id", "model", "sampler"):
        table.add_column(name, overflow="fold")
    for name in ("steps", "passes", "revised"):
        table.add_column(name, justify="right")
    for line in lines:
        revised = (line.get("revisions") or {}).get("revisions", "")
        names = (Text(plain(line[name])) for name in ("id", "model", "sampler"))
        table.add_row(*names, str(line["steps"]), str(line["nfe"]), str(revised))
    print_wide(table)
