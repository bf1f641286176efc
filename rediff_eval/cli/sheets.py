"""How verbs print tables: the formats, and the text of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rediff_eval.views.layouts import Sheet

FORMS = ("table", "md", "csv", "json", "html", "latex")


def format_option(help_: str) -> Callable[[Any], Any]:
    """The option `--format`.

    Args:
        help_: describes the formats.
    """
    return click.option(
        "--format",
        "form",
        default="table",
        show_default=True,
        type=click.Choice(FORMS),
        help=help_,
    )


def show(sheet: Sheet, form: Any) -> None:
    """Prints a sheet.

    Args:
        sheet: the table.
        form: `table`, or a form of `lay_out`.
    """
    from rediff_eval.views.layouts import lay_out, to_rich
    from rediff_eval.views.tables import print_wide

    if form == "table":
        print_wide(to_rich(sheet))
    else:
        click.echo(lay_out(sheet, form))
