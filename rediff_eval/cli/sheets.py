"""How verbs print tables: the formats, and what each becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rediff_eval.views.layouts import Sheet

FORMS = ("table", "md", "csv", "json", "html", "latex")


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
