"""`rediff-eval compare`: conditions against each other, sample by sample."""

from __future__ import annotations

from pathlib import Path

import click

from rediff_eval.cli.options import tell


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--metric", default="capture", show_default=True, help="Metric to compare by.")
@click.option("--seed", default=0, show_default=True, help="Seed of the resampling.")
def compare(runs: tuple[Path, ...], metric: str, seed: int) -> None:
    """Test every pair of conditions of RUNS with the same data, scorer and budget, joined on
    sample id.

    Means of the captions' own values are compared, also where a table shows a ratio of sums.
    """
    from rich.table import Table
    from rich.text import Text

    from rediff_eval.results.finished import finished
    from rediff_eval.sanitize import plain
    from rediff_eval.views.compare import compare as compare_cells
    from rediff_eval.views.compare import load_values
    from rediff_eval.views.tables import print_wide

    table = Table(title=f"{metric}, a - b, paired by sample")
    for name in ("a", "b", "steps", "n", "a - b", "95% interval", "p", "p (Holm)", "detectable"):
        table.add_column(name, justify="left" if name in "ab" else "right", no_wrap=True)
    for row in compare_cells(load_values(finished(runs, tell), metric), seed=seed):
        table.add_row(
            Text(plain(row.a)),
            Text(plain(row.b)),
            row.steps,
            str(row.n),
            f"{row.difference:+.4f}",
            f"{row.low:+.4f} to {row.high:+.4f}",
            f"{row.p:.4f}",
            f"{row.p_holm:.4f}",
            f"{row.detectable:.4f}",
        )
    print_wide(table)
