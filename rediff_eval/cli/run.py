"""`rediff-eval run`: caption and score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rediff_eval.cli.options import (
    captioned_options,
    loading_options,
    measured_options,
    parse_steps,
    plugin_option,
    scoring_options,
    to_data,
    to_loading,
    to_scoring,
)

if TYPE_CHECKING:
    from rediff_eval.captioning.config import CaptioningConfig
    from rediff_eval.evaluate import Evaluation

CAPTIONING = ("batch_size", "guidance", "keep_traces", "worker_timeout")
"""Options that are fields of `CaptioningConfig`."""


@click.command(short_help="Caption a benchmark at each budget, and score it.")
@measured_options
@captioned_options
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Run folder; default: the unfinished one of the same command in runs, or runs/TASK-TIME.",
)
@click.option(
    "--max-failures",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Fail the run if more than this share of the samples fails.",
)
@click.option("--plan", is_flag=True, help="Say what the run would take, and run nothing.")
@click.option(
    "--prices",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Servers' prices for --plan; default: a shipped file.",
)
@click.option(
    "--keep-traces",
    default=8,
    show_default=True,
    type=click.IntRange(min=0),
    help="Samples whose denoising steps are kept for the report.",
)
@click.option(
    "--worker-timeout",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds that the leading process waits once no other is at work.",
)
@scoring_options
@loading_options
@plugin_option
def run(
    task_name: str,
    limit: int | None,
    seed: int,
    data: Path | None,
    data_dir: Path | None,
    out: Path | None,
    max_failures: float,
    plan: bool,
    prices: Path | None,
    **options: Any,
) -> None:
    """Caption a benchmark's images with each model at each step budget, and score the captions."""
    from rediff.io.quiet import quiet_libraries
    from rediff.io.rank import Rank
    from rediff_eval.captioning.caption_store import PARTS
    from rediff_eval.evaluate import Evaluation, evaluate
    from rediff_eval.progress import Progress
    from rediff_eval.results.resume import choose_folder
    from rediff_eval.views.tables import print_table

    quiet_libraries()
    rank = Rank.from_environment()
    if rank.world > 1 and out is None:
        raise ValueError("several processes need a common --out")
    scoring = to_scoring(options, seed=seed, device=options["device"])
    evaluation = Evaluation(
        data=to_data(task_name, limit, data, data_dir),
        captioning=to_captioning(options),
        scoring=scoring,
        folder=out or Path(),
        max_failures=max_failures,
    )
    if out is None:
        folder = choose_folder(evaluation.task.name, evaluation.settings)
        evaluation = replace(evaluation, folder=folder)
    if plan:
        print_plan(evaluation, prices)
        return
    if (evaluation.folder / PARTS).is_dir() and out is None:
        click.echo(f"Resumes {evaluation.folder}.", err=True)
    results = evaluate(evaluation, Progress(), rank)
    if results is not None:
        print_table(results)
        click.echo(f"Results in {evaluation.folder}")


def to_captioning(options: dict[str, Any]) -> CaptioningConfig:
    """The captioning that options choose; the rest is as `CaptioningConfig` has it.

    Raises:
        ValueError: for a model, a sampler or steps that do not exist, and for options beside a
            grid's file that say the same.
    """
    from rediff.captioners.known_models import shipped_models
    from rediff.captioners.sources import distinct, find_model
    from rediff.decoding.registry import expand_grid, find_sampler
    from rediff_eval.captioning.config import CaptioningConfig
    from rediff_eval.captioning.grid import Grid

    own = {name: options.pop(name) for name in ("models", "samplers", "steps")}
    own["steps"] = parse_steps(own["steps"])
    if (path := options.pop("grid", None)) is not None:
        flags = {"models": "--model", "samplers": "--sampler", "steps": "--steps"}
        if beside := [flag for name, flag in flags.items() if own[name]]:
            raise ValueError(f"{beside[0]} and --grid both say what is captioned: leave out one")
        own = Grid.load(path).model_dump()
    given = {name: options.pop(name) for name in CAPTIONING if name in options}
    loading = to_loading(options)
    samplers = [name for text in own["samplers"] for name in expand_grid(text)]
    sources = []
    for name in own["models"] or shipped_models():
        source = find_model(name, loading)
        if samplers and source.sampler and name.endswith(f":{source.sampler}"):
            raise ValueError(f"{name} names a sampler, and others are named for all models")
        ways = expand_grid(source.sampler) if source.sampler and not samplers else [None]
        sources += [replace(source, sampler=sampler) for sampler in ways]
    for name in (*samplers, *(source.sampler for source in sources if source.sampler)):
        find_sampler(name)
    return CaptioningConfig(
        models=distinct(sources),
        samplers=tuple(dict.fromkeys(samplers)),
        steps=own["steps"],
        **given,
    )


def print_plan(evaluation: Evaluation, prices: Path | None) -> None:
    """Prints the cost of each condition, and the sum; then checks all that the run will need."""
    from rich.table import Table
    from rich.text import Text

    from rediff_eval.estimate import PROBE, plan
    from rediff_eval.evaluate import check
    from rediff_eval.preflight import probe_servers
    from rediff_eval.progress import Progress
    from rediff_eval.sanitize import plain
    from rediff_eval.views.tables import amount, print_wide

    samples = evaluation.load_samples()
    table = Table(title=f"plan, times of models on this machine from a probe of {PROBE} samples")
    head = ("condition", "samples", "passes", "tokens", "judge calls", "dollars", "seconds")
    for name in head:
        table.add_column(name, justify="left" if name == head[0] else "right")
    planned = plan(evaluation, samples, prices)
    rows = [(p.samples, p.passes, p.tokens, p.judge_calls, p.dollars, p.seconds) for p in planned]
    for one, numbers in zip(planned, rows, strict=True):
        table.add_row(Text(plain(one.condition.title)), *(amount(n, "not known") for n in numbers))
    table.add_section()
    sums = [None if None in column else sum(column) for column in zip(*rows, strict=True)]
    table.add_row(f"{len(rows)} conditions", *(amount(total, "not known") for total in sums))
    print_wide(table)
    check(evaluation, samples, Progress())
    judge, groups = evaluation.judge(samples), evaluation.groups(samples)
    probe_servers(evaluation.captioning.models, judge, groups)
