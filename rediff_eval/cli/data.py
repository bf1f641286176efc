"""`rediff-eval data`: training data."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def data() -> None:
    """Look at training data."""


@data.command()
@click.argument("spec", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(spec: Path) -> None:
    """Read everything that SPEC names once, and say what can be trained on.

    SPEC is a YAML file: a tokenizer, and sources with format, path, images and count.
    """
    from rich.table import Table
    from rich.text import Text
    from transformers import AutoTokenizer

    from rediff.data.mixture import Mixture, Tally, tokenizer_folder, usable
    from rediff.quiet import quiet_libraries
    from rediff_eval.progress import Progress
    from rediff_eval.safe import plain
    from rediff_eval.tables import print_wide

    quiet_libraries()
    mixture = Mixture.load(spec)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(mixture, spec))
    table = Table(title=str(spec))
    for name in ("source", "records", "tokens", "dropped", "why", "first"):
        table.add_column(
            name, justify="right" if name in ("records", "tokens", "dropped") else "left"
        )
    for name, source in mixture.sources.items():
        tally = Tally()
        with Progress().task(f"reading {name}", source.count) as advance:
            for _ in usable(source, tokenizer, tally):
                advance(1)
        table.add_row(plain(name), f"{tally.records:,}", f"{tally.tokens:,}", "", "", "")
        for reason, count in tally.dropped.most_common():
            first = Text(plain(tally.examples[reason]))
            table.add_row("", "", "", f"{count:,}", Text(plain(reason)), first)
    print_wide(table)
