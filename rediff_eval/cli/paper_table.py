"""`rediff-eval paper-table`: our runs in the form of the paper's tables."""

from __future__ import annotations

from pathlib import Path

import click

from rediff_eval.cli.options import tell

NUMBERS = ("1", "3", "4", "5", "6")


@click.command("paper-table", short_help="Lay runs out as a table of the paper.")
@click.argument("number", type=click.Choice(NUMBERS))
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--markdown", is_flag=True, help="Print Markdown.")
def paper_table(number: str, runs: tuple[Path, ...], markdown: bool) -> None:
    """Lay RUNS out as table NUMBER of the paper, its numbers beside them as quoted.

    Table 1: models by benchmark; 3: step budgets; 4: training stages; 5: what Stage I corrupts; 6:
    rounds of refinement. A number on other data than the benchmark's own says so.
    """
    from rediff_eval.results.finished import finished
    from rediff_eval.views.paper import lay_out, to_markdown, to_table
    from rediff_eval.views.tables import print_wide

    table = lay_out(number, finished(runs, tell) if runs else ())
    if markdown:
        click.echo(to_markdown(table), nl=False)
    else:
        print_wide(to_table(table))
