"""`rediff-eval show`: how a run's captions came about, in the terminal."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
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
def show(
    run: Path,
    sample_id: str | None,
    model: str | None,
    sampler: str | None,
    steps: int | None,
    delay: float,
) -> None:
    """Play the denoising steps of one caption of RUN, and print the caption."""
    from rich.console import Console

    from rediff_eval.results.finished import read_captions
    from rediff_eval.sanitize import plain
    from rediff_eval.views.trace_player import play

    wanted = {"id": sample_id, "model": model, "sampler": sampler, "steps": steps}
    for line in read_captions(run):
        if "trace" in line and all(v is None or line[k] == v for k, v in wanted.items()):
            console = Console()
            title = f"{line['id']}: {line['model']} ({line['sampler']}), {line['steps']} steps"
            console.print(plain(title), style="bold", markup=False)
            play(line["trace"], console, delay=delay)
            click.echo(plain(line["text"]))
            return
    raise ValueError(f"{run} kept the steps of no such caption; see --keep-traces of `run`")
