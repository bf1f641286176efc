"""Scenes as they are remembered by someone who errs."""

from __future__ import annotations

import numpy as np

from rediff.scenes.world import (
    COLOURS,
    COLUMNS,
    ROWS,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
    Thing,
)


def corrupt_scene(scene: Scene, rate: float, rng: np.random.Generator) -> Scene:
    """The scene with some of its qualities wrong; no shape and no grid square is taken twice.

    Args:
        scene: stays as it is.
        rate: the probability that a shape, colour, size, texture or place is wrong, independently.
        rng: draws the wrong facts and their replacements.
    """
    things = list(scene.things)
    for number in range(len(things)):
        others = things[:number] + things[number + 1 :]
        things[number] = _corrupt_thing(things[number], others, rate, rng)
    return Scene(tuple(things), scene.background)


def _corrupt_thing(
    thing: Thing, others: list[Thing], rate: float, rng: np.random.Generator
) -> Thing:
    def recall(value: str, values: tuple[str, ...]) -> str:
        wrong = [other for other in values if other != value]
        return wrong[rng.integers(len(wrong))] if wrong and rng.random() < rate else value

    taken = {other.place for other in others}
    cells = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)
    row, column = recall(thing.place, tuple(c for c in cells if c not in taken)).split()
    free = tuple(shape for shape in SHAPES if shape not in {other.shape for other in others})
    return Thing(
        shape=recall(thing.shape, free),
        colour=recall(thing.colour, COLOURS),
        size=recall(thing.size, SIZES),
        texture=recall(thing.texture, TEXTURES),
        row=row,
        column=column,
    )
