"""`rediff-eval doctor`: this machine, and the models and tasks that can run on it."""

from __future__ import annotations

import sys

import click

MARKS = {"ok": ("ok", "green"), "note": ("--", "yellow"), "missing": ("NO", "red")}


@click.command(short_help="Say what this machine has, and what can run on it.")
def doctor() -> None:
    """Say what this machine has and which models and tasks can run on it.

    Exits with 1 if something is missing without which nothing runs.
    """
    from rediff.io.quiet import quiet_libraries
    from rediff_eval.doctor import examine

    quiet_libraries()
    broken = False
    for finding in examine():
        mark, colour = MARKS[finding.state]
        click.echo(f"{click.style(mark, fg=colour)}  {finding.subject:<22} {finding.detail}")
        broken |= finding.needed and finding.state == "missing"
    sys.exit(1 if broken else 0)
