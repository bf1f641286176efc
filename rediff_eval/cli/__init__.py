"""The command line: one module a verb, heavy imports inside the verbs."""

from __future__ import annotations

import io
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from rediff.io.suggest import unknown
from rediff_eval.cli.arena import arena
from rediff_eval.cli.caption import caption
from rediff_eval.cli.choose import choose
from rediff_eval.cli.compare import compare
from rediff_eval.cli.convert import convert
from rediff_eval.cli.data import data
from rediff_eval.cli.doctor import doctor
from rediff_eval.cli.judge_server import judge_server
from rediff_eval.cli.leaderboard import leaderboard
from rediff_eval.cli.listing import list_
from rediff_eval.cli.paper_table import paper_table
from rediff_eval.cli.renamed import with_current_names
from rediff_eval.cli.report import report
from rediff_eval.cli.run import run
from rediff_eval.cli.score import score
from rediff_eval.cli.serve import serve
from rediff_eval.cli.show import show
from rediff_eval.cli.speed import speed
from rediff_eval.cli.train import train
from rediff_eval.sanitize import as_options, plain

USAGE = 2
INTERRUPTED = 130


class SuggestingGroup(click.Group):
    """A group that names the nearest command for one it does not know, and takes the former names
    of options."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        return super().make_context(info_name, with_current_names(args), parent, **extra)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise click.UsageError(str(unknown("command", args[0], self.commands)), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=SuggestingGroup)
@click.version_option(package_name="rediff")
def cli() -> None:
    """Detailed captioning with masked-diffusion models: run, train, compare."""


for command in (
    run,
    score,
    train,
    compare,
    choose,
    arena,
    leaderboard,
    paper_table,
    report,
    show,
    speed,
    caption,
    serve,
    convert,
    list_,
    doctor,
    data,
    judge_server,
):
    cli.add_command(command)


def main() -> None:
    """The program `rediff-eval`.

    Errors that a user can mend (ValueError, OSError) are one sentence and exit code 2; a run that
    failed, also by a file that ends early (EOFError), is exit code 1; an interrupted one 130.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch; see benchmarks/neighbour.py
    old = os.environ.get("REDIFF_EVAL_CACHE") or str(Path.home() / ".cache" / "rediff-eval")
    os.environ.setdefault("REDIFF_CACHE", old)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without a character ends no program
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as abort:  # click's for Ctrl-C, but also for a file that ends early
        if isinstance(abort.__cause__, EOFError):
            click.echo(plain(f"Failed: a file ended early: {abort.__cause__!r}"), err=True)
            sys.exit(1)
        command = plain(shlex.join(["rediff-eval", *sys.argv[1:]]))
        click.echo(
            f"Interrupted. What was saved is kept. To resume:\n  {command}",
            err=True,
        )
        sys.exit(INTERRUPTED)
    except (ValueError, OSError) as error:
        click.echo(in_words(f"Error: {error}"), err=True)
        sys.exit(USAGE)
    except RuntimeError as error:
        click.echo(in_words(f"Failed: {error}"), err=True)
        sys.exit(1)


def in_words(message: str) -> str:
    """A message as one line for the terminal, with the options that it is about."""
    commands = [*cli.commands.values()]
    options = {name for one in commands for option in one.params for name in option.opts}
    return plain(as_options(" ".join(message.split()), options))
