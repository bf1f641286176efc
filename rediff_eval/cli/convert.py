"""`rediff-eval convert`: an official checkpoint as a plain transformers folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write a model of the authors' form as transformers has it.")
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16", "stored"]),
    default="stored",
    show_default=True,
    help="Of the written weights.",
)
def convert(source: str, out: Path, dtype: str) -> None:
    """Write the model SOURCE (a folder or hub id in LLaDA-V's naming) to the folder OUT.

    OUT loads with transformers' own classes, and faster than SOURCE.
    """
    from typing import cast

    from rediff.captioners.sources import FOLDER, HUB, find_model
    from rediff.io.quiet import quiet_libraries
    from rediff.models.checkpoint import Checkpoint
    from rediff.models.config import Dtype

    quiet_libraries()
    choice = find_model(source)
    place = choice.path() if choice.scheme in (FOLDER, HUB) else None
    if place is None:
        raise ValueError(f"{source} is neither a folder nor a hub id")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty")
    checkpoint = Checkpoint.load(place, dtype=cast("Dtype", dtype))
    checkpoint.save(out)
    click.echo(f"Wrote {out}.")
