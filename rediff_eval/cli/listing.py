"""`rediff-eval list`: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rediff.models.config import Card

OTHERS = [
    ("FOLDER", "any checkpoint or transformers image-text-to-text folder"),
    ("OWNER/NAME", "the same from the hub, OWNER/NAME@REVISION for a pinned one"),
    ("openai:MODEL", "a server that speaks OpenAI's chat protocol, at --base-url"),
    ("captions:FILE", "captions made elsewhere, JSON or JSON lines by sample id"),
    ("worker:FILE", "a worker process, see rediff/models/workers/README.md"),
]


@click.command("list")
@click.argument("what", type=click.Choice(["tasks", "models", "samplers", "recipes"]))
def list_(what: str) -> None:
    """List tasks, models, samplers or recipes."""
    for name, text in _entries(what):
        click.echo(f"{name:<14} {text}")


def _decodes(card: Card) -> str:
    return f"sampler {card.sampler}" if card.kind == "diffusion" else "greedy"


def _entries(what: str) -> list[tuple[str, str]]:
    if what == "tasks":
        from rediff_eval.benchmarks.task import list_tasks, load_task

        return [(name, load_task(name).summary) for name in list_tasks()]
    if what == "models":
        from rediff.models.config import read_card
        from rediff_eval.captioning.models import known_models, shipped_folder, shipped_models

        cards = {name: read_card(shipped_folder() / name) for name in shipped_models()}
        shipped = [
            (name, f"{card.kind} | shipped | {card.canvas} tokens, {_decodes(card)}")
            for name, card in cards.items()
        ]
        rivals = [
            (m.name, f"{m.kind} | {m.id} | {m.loads} | {m.decodes} | licence: {m.licence}")
            for m in known_models()
        ]
        return [*shipped, *rivals, *OTHERS]
    if what == "samplers":
        from rediff.decoding.registry import SAMPLERS, describe

        return [(name, describe(sampler)) for name, sampler in SAMPLERS.items()]
    import rediff

    recipes = Path(rediff.__file__).parent / "training" / "recipes"
    return [
        (path.stem, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
        for path in sorted(recipes.glob("*.yaml"))
    ]
