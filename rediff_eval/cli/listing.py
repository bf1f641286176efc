"""`rediff-eval list`: what there is, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rediff_eval.cli.options import plugin_option

if TYPE_CHECKING:
    pass

FORMS = [
    ("FOLDER", "any checkpoint or transformers image-text-to-text folder"),
    ("OWNER/NAME", "the same from the hub, OWNER/NAME@REVISION for a pinned one"),
    ("openai:MODEL", "a server that speaks OpenAI's chat protocol, at --base-url"),
    ("captions:FILE", "captions made elsewhere, JSON or JSON lines by sample id"),
    ("worker:FILE", "a worker process, see docs/extending.md"),
]


@click.command("list")
@click.argument("what", type=click.Choice(["tasks", "models", "samplers", "metrics", "recipes"]))
@plugin_option
def list_(what: str) -> None:
    """List tasks, models, samplers (with their options), metrics or recipes."""
    entries = {
        "tasks": _tasks,
        "models": _models,
        "samplers": _samplers,
        "metrics": _metrics,
        "recipes": _recipes,
    }[what]()
    for name, text in entries:
        click.echo(f"{name:<16} {text}")


def _tasks() -> Iterator[tuple[str, str]]:
    from rediff_eval.benchmarks.task import list_tasks, load_task

    for name in list_tasks():
        yield name, load_task(name).summary


def _models() -> Iterator[tuple[str, str]]:
    from rediff.captioners.known_models import known_models, shipped_folder, shipped_models
    from rediff.captioners.sources import SCHEMES
    from rediff.models.config import read_captioner_config

    for name in shipped_models():
        config = read_captioner_config(shipped_folder() / name)
        decodes = f"sampler {config.sampler}" if config.kind == "diffusion" else "greedy"
        yield name, f"{config.kind} | shipped | {config.canvas} tokens, {decodes}"
    for m in known_models():
        yield m.name, f"{m.kind} | {m.id} | {m.runs} | {m.decodes} | licence: {m.licence}"
    yield from FORMS
    for name, entry in SCHEMES.entries.items():
        if entry.origin != "built in":
            yield f"{name}[:WHERE]", f"plug-in {entry.origin}"


def _samplers() -> Iterator[tuple[str, str]]:
    from rediff.decoding.registry import SAMPLERS, options_of

    for name, entry in SAMPLERS.loaded().items():
        summary = (entry.value.__doc__ or "").strip().splitlines()
        origin = "" if entry.origin == "built in" else f" (plug-in {entry.origin})"
        yield name, f"{summary[0] if summary else ''}{origin}"
        options = options_of(entry.value())
        numbers = (f"{option}={_written(o.value)}" for option, o in sorted(options.items()))
        yield "", f"    {' '.join(numbers)}"


def _written(value: object) -> str:
    """A value as `find_sampler` takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _metrics() -> Iterator[tuple[str, str]]:
    from rediff_eval.metrics.base import METRICS

    for name, entry in METRICS.loaded().items():
        shown = [info.name for info in entry.value.infos if not info.part]
        judge = ", by a judge" if entry.value.judge else ""
        origin = "" if entry.origin == "built in" else f" (plug-in {entry.origin})"
        yield name, f"{', '.join(shown)}{judge}{origin}"


def _recipes() -> Iterator[tuple[str, str]]:
    import rediff

    recipes = Path(rediff.__file__).parent / "training" / "recipes"
    for path in sorted(recipes.glob("*.yaml")):
        yield path.stem, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
