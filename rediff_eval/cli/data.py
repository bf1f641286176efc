"""`rediff-eval data`: training data."""

from __future__ import annotations

from pathlib import Path

import click

NUMBERS = ("records", "tokens", "unknown", "longest", "dropped")
"""Columns; `unknown` is the share of the tokens that the tokenizer does not know, `longest` the
tokens of the longest answer."""


@click.group()
def data() -> None:
    """Look at training data."""


@data.command()
@click.argument("spec", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--longest",
    type=click.IntRange(min=1),
    help="Leave out answers that do not fit in so many tokens, as stages with this setting do.",
)
def check(spec: Path, longest: int | None) -> None:
    """Read everything that SPEC names once, and say what can be trained on.

    SPEC is a YAML file: a tokenizer, and sources with format, path, images and count.
    """
    from rich.table import Table
    from rich.text import Text
    from transformers import AutoTokenizer

    from rediff.data.mixture import Mixture, Tally, tokenizer_folder, usable
    from rediff.io.quiet import quiet_libraries
    from rediff_eval.progress import Progress
    from rediff_eval.sanitize import plain
    from rediff_eval.views.tables import print_wide

    quiet_libraries()
    mixture = Mixture.load(spec)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(mixture, spec))
    table = Table(title=str(spec))
    for name in ("source", *NUMBERS, "why", "first"):
        table.add_column(name, justify="right" if name in NUMBERS else "left")
    for name, source in mixture.sources.items():
        tally = Tally()
        with Progress().task(f"reading {name}", source.count) as advance:
            for _ in usable(source, tokenizer, tally, longest=longest):
                advance(1)
        unknown = f"{tally.unknown / max(1, tally.tokens):.1%}"
        counts = (f"{tally.records:,}", f"{tally.tokens:,}", unknown, f"{tally.longest:,}")
        table.add_row(plain(name), *counts, "", "", "")
        for reason, count in tally.dropped.most_common():
            first = Text(plain(tally.examples[reason]))
            table.add_row("", *[""] * 4, f"{count:,}", Text(plain(reason)), first)
    print_wide(table)
