"""`rediff-eval compare`: conditions against each other, sample by sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rediff_eval.cli.options import parse_steps, tell
from rediff_eval.cli.sheets import format_option, show


@click.command(short_help="Test pairs of conditions of runs, paired by sample.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--metric", default="capture", show_default=True, help="Metric to compare by.")
@click.option("--baseline", metavar="MODEL[:SAMPLER]", help="Compare the others with this alone.")
@click.option("--model", "models", multiple=True, help="Only this model; repeatable.")
@click.option("--sampler", "samplers", multiple=True, help="Only this sampler; repeatable.")
@click.option("--steps", help="Only these steps, comma-separated.")
@click.option(
    "--match",
    type=click.Choice(["steps", "passes"]),
    default="steps",
    show_default=True,
    help="Budgets that are held together; by passes: the baseline's quality at as many.",
)
@click.option(
    "--group-by",
    type=click.Choice(["seed"]),
    help="Take models NAME-SEED for trainings of one; intervals are over seeds and samples.",
)
@click.option(
    "--paired-seeds/--unpaired-seeds",
    default=True,
    show_default=True,
    help="Whether trainings of one seed share more than that, as their base.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the resampling.")
@format_option("Output format.")
def compare(
    runs: tuple[Path, ...],
    metric: str,
    steps: str | None,
    group_by: str | None,
    seed: int,
    form: str,
    **asked: Any,
) -> None:
    """Test pairs of conditions of RUNS with the same data, scorer and budget, joined on sample id.

    Means of the captions' values are compared, also where a table shows another aggregate: a ratio
    of sums, or for `calibration` the error over all words.
    P-values are corrected for the pairs that are shown (Holm). With trainings by several seeds a
    first table has the mean of each model and the spread of its seeds.
    """
    from rediff_eval.results.finished import finished
    from rediff_eval.views.compare import Asked, asked_for
    from rediff_eval.views.compare import compare as compare_conditions
    from rediff_eval.views.compare_sheet import arms_sheet, as_rows, as_sheet
    from rediff_eval.views.conditions import comparable
    from rediff_eval.views.samples import load_values

    values = load_values(finished(runs, tell), metric)
    wanted = Asked(**asked, steps=parse_steps(steps), by_seed=group_by == "seed")
    found = compare_conditions(values, wanted, seed=seed)
    if form == "csv":
        import pandas as pd

        click.echo(pd.DataFrame(as_rows(found)).to_csv(index=False), nl=False)
    elif form == "json":
        click.echo(json.dumps(as_rows(found), indent=2))
    else:
        if wanted.by_seed:
            arms = [arm for group in comparable(asked_for(values, wanted)) for arm in group]
            show(arms_sheet(arms, metric), form)
            for title in dict.fromkeys(arm.title for arm in arms if len(arm.seeds) < 2):
                tell(f"{title} was trained with one seed, and is compared with nothing")
        show(as_sheet(found, metric), form)
