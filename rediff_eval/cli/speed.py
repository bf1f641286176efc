"""`rediff-eval speed`: the cost of captions, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rediff_eval.cli.options import captioned_options, loading_options, plugin_option, to_data
from rediff_eval.cli.run import to_captioning

if TYPE_CHECKING:
    from rediff.captioners.base import Captioner
    from rediff_eval.benchmarks.task import Task
    from rediff_eval.captioning.config import CaptioningConfig
    from rediff_eval.speed.measure import Candidate


@click.command(short_help="Measure passes, operations and seconds of a caption.")
@captioned_options
@click.option(
    "--batch-size",
    "batches",
    multiple=True,
    default=(16,),
    show_default=True,
    type=click.IntRange(min=1),
    help="Batch size besides 1, repeatable; the quickest counts.",
)
@click.option(
    "--rounds",
    default=10,
    show_default=True,
    type=click.IntRange(min=2),
    help="Rounds that are counted, after one that is not.",
)
@click.option("--task", "task_name", default="capture", show_default=True, help="Whose pictures.")
@click.option(
    "--limit", default=32, show_default=True, type=click.IntRange(min=1), help="Pictures."
)
@click.option("--data", type=click.Path(path_type=Path), help="Your own pictures, as of `run`.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the benchmark's own pictures.",
)
@click.option(
    "--out",
    default=Path("speed"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the table and the plot.",
)
@loading_options
@plugin_option
def speed(
    batches: tuple[int, ...],
    rounds: int,
    task_name: str,
    limit: int,
    data: Path | None,
    data_dir: Path | None,
    out: Path,
    **options: Any,
) -> None:
    """Measure the cost of a caption: passes, operations, latency, throughput, memory, energy.

    All models are loaded at once, and their captions are timed in turn. The first is what the
    others are compared with.
    """
    from contextlib import ExitStack, closing

    import torch

    from rediff.io.quiet import quiet_libraries
    from rediff_eval.benchmarks.load import load_samples
    from rediff_eval.progress import Progress
    from rediff_eval.results.finished import RESULTS
    from rediff_eval.speed.measure import measure
    from rediff_eval.views.speed import to_terminal
    from rediff_eval.views.speed_folder import write_speed
    from rediff_eval.views.tables import print_wide

    quiet_libraries()
    if (out / RESULTS).is_file():
        raise ValueError(f"{out} holds a finished run: choose another --out")
    chosen = to_data(task_name, limit, data, data_dir)
    config = to_captioning(options)
    samples = load_samples(chosen)
    pictures = [sample.open() for sample in samples.samples]
    with ExitStack() as stack:
        captioners: dict[str, Captioner] = {}
        for source in config.models:  # several may name one model, with samplers of their own
            if source.name not in captioners:
                captioners[source.name] = stack.enter_context(closing(source.open()))
        candidates = candidates_of(config, captioners, chosen.task)
        total = (rounds + 1) * len({1, *batches}) * len(candidates)
        with Progress().task("speed", total) as advance:
            found = measure(
                candidates,
                pictures,
                batches=batches,
                rounds=rounds,
                device=torch.device(config.models[0].loading.place),
                prompt=chosen.task.prompt,
                advance=advance,
            )
    title, records = write_speed(found, config, samples, rounds, out)
    print_wide(to_terminal(records, title))
    click.echo(f"Table and plot in {out}")


def candidates_of(
    config: CaptioningConfig, captioners: dict[str, Captioner], task: Task
) -> list[Candidate]:
    """The conditions of all models, each with its captioner.

    Args:
        config: models, samplers and budgets.
        captioners: by the names of the models.
        task: gives the budgets where none are named.
    """
    from rediff_eval.captioning.config import conditions_of
    from rediff_eval.speed.measure import Candidate

    return [
        Candidate(condition, captioners[source.name], config.guidance)
        for source in config.models
        for condition in conditions_of(
            config, source, captioners[source.name].capabilities, task.tokens_per_step
        )
    ]
