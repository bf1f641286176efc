"""`rediff-eval run`: caption and score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rediff_eval.cli.options import (
    loading_options,
    measured_options,
    scoring_options,
    to_loading,
    to_scoring,
)

if TYPE_CHECKING:
    from rediff_eval.progress import Progress
    from rediff_eval.benchmarks.sample import SampleSet
    from rediff_eval.spec import RunSpec


@click.command()
@measured_options
@click.option(
    "--model", "models", multiple=True, metavar="NAME[:SAMPLER]",
    help="Model, repeatable (see `list models`); default: every shipped model.",
)  # fmt: skip
@click.option(
    "--sampler", "samplers", multiple=True, help="Sampler, repeatable; default: each model's own."
)
@click.option("--steps", help="Denoising steps, comma-separated; default: the task's budgets.")
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False),
    help="Run folder; default: the unfinished one of the same command in runs, or runs/TASK-TIME.",
)  # fmt: skip
@click.option(
    "--max-failures", default=0.05, show_default=True, type=click.FloatRange(0, 1),
    help="Share of unreadable samples that is still no failure.",
)  # fmt: skip
@click.option("--plan", is_flag=True, help="Say what the run would take, and run nothing.")
@click.option(
    "--prices", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Servers' prices for --plan; default: a shipped file.",
)  # fmt: skip
@click.option(
    "--guidance", default=0.0, show_default=True, help="Scale of classifier-free guidance."
)
@click.option(
    "--traces", default=8, show_default=True, type=click.IntRange(min=0),
    help="Samples whose denoising steps are kept for the report.",
)  # fmt: skip
@click.option(
    "--grace", default=60.0, show_default=True, type=click.FloatRange(min=0),
    help="Seconds that the leading process waits once no other is at work.",
)  # fmt: skip
@scoring_options
@loading_options
def run(
    task_name: str,
    models: tuple[str, ...],
    samplers: tuple[str, ...],
    steps: str | None,
    limit: int | None,
    seed: int,
    batch_size: int,
    data: Path | None,
    data_dir: Path | None,
    out: Path | None,
    max_failures: float,
    plan: bool,
    prices: Path | None,
    guidance: float,
    traces: int,
    grace: float,
    **options: Any,
) -> None:
    """Caption a benchmark's images with each model at each step budget, and score the captions."""
    from rediff.io.quiet import quiet_libraries
    from rediff_eval.progress import Progress
    from rediff.io.rank import Rank
    from rediff_eval.captioning.models import distinct, find_model, shipped_models
    from rediff_eval.results.run_folder import choose_folder
    from rediff_eval.captioning.runner import run as run_spec
    from rediff_eval.benchmarks.load import samples_of
    from rediff_eval.spec import RunSpec
    from rediff_eval.captioning.caption_store import PARTS
    from rediff_eval.views.tables import print_table
    from rediff_eval.benchmarks.task import load_task

    quiet_libraries()
    task = load_task(task_name)
    rank = Rank.from_environment()
    if rank.world > 1 and out is None:
        raise ValueError("several processes need a common --out")
    scoring, judge = to_scoring(options)
    loading, base_url, key_env = to_loading(options)
    spec = RunSpec(
        task=task,
        models=distinct([find_model(name) for name in models or shipped_models()]),
        samplers=tuple(dict.fromkeys(samplers)),
        steps=parse_steps(steps),
        limit=limit,
        seed=seed,
        batch_size=batch_size,
        data=data,
        data_dir=data_dir,
        scoring=scoring,
        judge=judge,
        out=out or Path(),
        max_failures=max_failures,
        loading=loading,
        base_url=base_url,
        key_env=key_env,
        guidance=guidance,
        traces=traces,
        grace=grace,
    )
    if out is None:
        spec = replace(spec, out=choose_folder(spec))
    if plan:
        samples = samples_of(spec)
        print_plan(spec, samples, prices)
        check_plan(spec, samples, Progress())
        return
    if (spec.out / PARTS).is_dir() and out is None:
        click.echo(f"Goes on in {spec.out}.", err=True)
    results = run_spec(spec, Progress(), rank)
    if results is not None:
        print_table(results)
        click.echo(f"Results in {spec.out}")


def check_plan(spec: RunSpec, samples: SampleSet, progress: Progress) -> None:
    """Looks for all that the run would look for before it starts. Raises as `run` does."""
    from rediff_eval.evaluate import check
    from rediff_eval.preflight import probe_servers

    check(spec, samples, progress)
    probe_servers(spec, samples)


def print_plan(spec: RunSpec, samples: SampleSet, prices: Path | None) -> None:
    """Prints what each cell takes, and the sum."""
    from rich.table import Table
    from rich.text import Text

    from rediff_eval.estimate import PROBE, plan
    from rediff_eval.sanitize import plain
    from rediff_eval.views.tables import amount, print_wide

    table = Table(title=f"plan, times by a probe of {PROBE} samples")
    head = ("cell", "samples", "passes", "tokens", "judge calls", "dollars", "seconds")
    for name in head:
        table.add_column(name, justify="left" if name == "cell" else "right")
    cells = plan(spec, samples, prices)
    rows = [(c.samples, c.passes, c.tokens, c.judge_calls, c.dollars, c.seconds) for c in cells]
    for cell, numbers in zip(cells, rows, strict=True):
        table.add_row(Text(plain(cell.cell.title)), *(amount(n, "not known") for n in numbers))
    table.add_section()
    sums = [None if None in column else sum(column) for column in zip(*rows, strict=True)]
    table.add_row(f"{len(rows)} cells", *(amount(total, "not known") for total in sums))
    print_wide(table)


def parse_steps(text: str | None) -> tuple[int, ...]:
    """`"80,20"` -> (80, 20). Raises click.BadParameter for anything but positive whole numbers."""
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(
            f"{text!r}: expected whole numbers like 80,40,20", param_hint="--steps"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))
