"""`rediff-eval list`: what there is."""

from __future__ import annotations

import click


@click.command("list")
@click.argument("what", type=click.Choice(["tasks", "models", "samplers", "recipes"]))
def list_(what: str) -> None:
    """List tasks, models, samplers or recipes."""
    for name, text in _entries(what):
        click.echo(f"{name:<14} {text}")


def _entries(what: str) -> list[tuple[str, str]]:
    if what == "tasks":
        from rediff_eval.task import list_tasks, load_task

        return [(name, load_task(name).summary) for name in list_tasks()]
    if what == "models":
        from rediff.models.checkpoint import Card
        from rediff_eval.registry import shipped_folder, shipped_models

        cards = {
            name: Card.model_validate_json((shipped_folder() / name / "captioner.json").read_text())
            for name in shipped_models()
        }
        return [(name, f"{card.kind}, {card.canvas} tokens") for name, card in cards.items()]
    if what == "samplers":
        from rediff.decoding.samplers import SAMPLERS

        return [
            (name, " x ".join(map(str, (s.schedule, s.commit, s.revise, s.stop))))
            for name, s in SAMPLERS.items()
        ]
    from rediff.training.recipe import RECIPES

    return [
        (path.stem, path.read_text().splitlines()[0].lstrip("# "))
        for path in sorted(RECIPES.glob("*.yaml"))
    ]
