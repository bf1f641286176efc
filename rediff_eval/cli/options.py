"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rediff.models.load import Loading

OPTIONS = (
    click.option("--device", help="Device, e.g. cuda:1; default: the first GPU, else the CPU."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "float16", "stored"]),
        help="Of the weights; default: the model's own on a GPU, float32 on a CPU.",
    ),
    click.option("--device-map", help="Spread the model over devices, e.g. auto."),
    click.option(
        "--max-tokens",
        "length",
        type=click.IntRange(min=1),
        help="Longest caption of models that leave it open.",
    ),
    click.option(
        "--model-seed", "seed", default=0, show_default=True, help="Seed of models that draw."
    ),
    click.option("--trust-remote-code", is_flag=True, help="Run code that comes with the model."),
    click.option("--base-url", help="Address of the server of openai: models."),
)


def loading_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say how a model is loaded."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def to_loading(options: dict[str, Any]) -> tuple[Loading, str | None]:
    """What the options of `loading_options` say, and the server's address."""
    from rediff.models.load import Loading

    base_url = options.pop("base_url")
    return Loading(**options), base_url
