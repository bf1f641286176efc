"""`rediff-eval score`: captions made elsewhere."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from rediff_eval.cli.options import (
    measured_options,
    plugin_option,
    scoring_options,
    to_data,
    to_scoring,
)


@click.command(short_help="Score captions that were made elsewhere.")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@measured_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the results; default: runs/FILE-TASK-TIME.",
)
@click.option(
    "--max-missing",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Fail if more than this share of samples has no caption, or of captions no verdict.",
)
@click.option("--name", help="What to call the model in results; default: the file's name.")
@scoring_options
@plugin_option
def score(
    file: Path,
    task_name: str,
    limit: int | None,
    seed: int,
    data: Path | None,
    data_dir: Path | None,
    out: Path | None,
    max_missing: float,
    name: str | None,
    **options: Any,
) -> None:
    """Score the captions of FILE: JSON, JSON lines, CSV, COCO's results, or a finished run.

    They are joined with the task's samples by id; ids on one side only are listed.
    """
    from rediff.io.quiet import quiet_libraries
    from rediff_eval.captioning.imported import name_some
    from rediff_eval.evaluate import score_file
    from rediff_eval.results.scoring import check_failures
    from rediff_eval.sanitize import plain
    from rediff_eval.views.tables import print_table

    quiet_libraries()
    config, scoring = to_data(task_name, limit, data, data_dir), to_scoring(options, seed=seed)
    name_of_run = f"{file.stem}-{config.task.name}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = out or Path("runs") / name_of_run
    results, joined = score_file(config, scoring, file, folder, name=name, max_missing=max_missing)
    print_table(results)
    for one in joined:
        for what, ids in (
            ("without a sample here, not scored", one.unknown),
            ("missing", one.missing),
        ):
            if ids:
                title = one.outcome.condition.title
                click.echo(plain(f"{title}: {len(ids)} ids {what}: {name_some(ids)}"))
    click.echo(f"Results in {folder}")
    check_failures(results.conditions, max_missing)
