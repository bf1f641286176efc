"""`rediff-eval list`: all registered names, and their origin."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from rediff_eval.cli.options import plugin_option
from rediff_eval.sanitize import plain

FORMS = [
    ("FOLDER", "any checkpoint or transformers image-text-to-text folder"),
    ("OWNER/NAME", "the same from the hub, OWNER/NAME@REVISION for a pinned one"),
    ("openai:MODEL", "a server that speaks OpenAI's chat protocol, at --base-url"),
    ("captions:FILE", "captions made elsewhere, JSON or JSON lines by sample id"),
    ("worker:FILE", "a worker process, see docs/extending.md"),
]


@dataclass(frozen=True, slots=True)
class Entry:
    """The description of one name. `more`: text on a line of its own where there is no table."""

    name: str
    parts: tuple[str, ...]
    more: str = ""


@click.command("list", short_help="List tasks, models, samplers, metrics or recipes.")
@click.argument("what", type=click.Choice(["tasks", "models", "samplers", "metrics", "recipes"]))
@plugin_option
def list_(what: str) -> None:
    """List tasks, models, samplers (with their options), metrics or recipes.

    On a terminal as a table; elsewhere in lines that begin with the name.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    listing, header = {
        "tasks": (_tasks, ("task", "what it measures")),
        "models": (_models, ("model", "kind", "from", "runs", "decodes", "terms")),
        "samplers": (_samplers, ("sampler", "what it does, its source, what it costs", "options")),
        "metrics": (_metrics, ("metric", "values", "by")),
        "recipes": (_recipes, ("recipe", "what it trains")),
    }[what]
    console = Console()
    if not console.is_terminal:
        entries = list(listing())
        wide = max(len(entry.name) for entry in entries)
        for entry in entries:
            click.echo(f"{entry.name:<{wide}} {' | '.join(filter(None, entry.parts))}")
            if entry.more:
                click.echo(f"{'':<{wide}}     {entry.more}")
        return
    table = Table(show_lines=True)
    table.add_column(header[0], no_wrap=True)
    for title in header[1:]:
        table.add_column(title, overflow="fold", ratio=1)
    for entry in listing():
        cells = (entry.name, *entry.parts, entry.more)[: len(header)]
        table.add_row(*(Text(plain(cell)) for cell in cells))
    console.print(table)


def _tasks() -> Iterator[Entry]:
    from rediff_eval.benchmarks.task import list_tasks, load_task

    for name in list_tasks():
        yield Entry(name, (load_task(name).summary,))


def _models() -> Iterator[Entry]:
    from rediff.captioners.known_models import known_models, shipped_folder, shipped_models
    from rediff.captioners.sources import SCHEMES
    from rediff.models.config import read_captioner_config

    for name in shipped_models():
        config = read_captioner_config(shipped_folder() / name)
        decodes = f"sampler {config.sampler}" if config.kind == "diffusion" else "greedy"
        parts = (config.kind, "shipped", "", f"{config.canvas} tokens, {decodes}", "")
        yield Entry(name, parts)
    for m in known_models():
        yield Entry(m.name, (m.kind, m.id, m.runs, m.decodes, f"licence: {m.licence}"))
    for name, text in FORMS:
        yield Entry(name, (text,))
    for name, entry in SCHEMES.entries.items():
        if entry.origin != "built in":
            yield Entry(f"{name}[:WHERE]", (f"plug-in {entry.origin}",))


def _samplers() -> Iterator[Entry]:
    from rediff.decoding.registry import SAMPLERS, options_of

    for name, entry in SAMPLERS.loaded().items():
        summary = " ".join((entry.value.__doc__ or "").split())
        origin = "" if entry.origin == "built in" else f" (plug-in {entry.origin})"
        options = options_of(entry.value())
        numbers = (f"{option}={_written(o.value)}" for option, o in sorted(options.items()))
        yield Entry(name, (f"{summary}{origin}",), " ".join(numbers))


def _written(value: object) -> str:
    """A value as `find_sampler` takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _metrics() -> Iterator[Entry]:
    from rediff_eval.metrics.base import METRICS

    for name, entry in METRICS.loaded().items():
        shown = [info.name for info in entry.value.infos if not info.part]
        origin = "" if entry.origin == "built in" else f"plug-in {entry.origin}"
        by = "by a judge" if entry.value.judge else ""
        yield Entry(name, (", ".join(shown), ", ".join(filter(None, (by, origin)))))


def _recipes() -> Iterator[Entry]:
    import rediff

    recipes = Path(rediff.__file__).parent / "training" / "recipes"
    for path in sorted(recipes.glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
        yield Entry(path.stem, (" ".join(line.lstrip("# ") for line in comment),))
