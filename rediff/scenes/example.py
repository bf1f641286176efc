"""Embedded scenes to try things on: pictures of which everything is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rediff.scenes.dataset import iterate_scenes
from rediff.scenes.grammar import write_caption
from rediff.scenes.render import render
from rediff.scenes.world import Scene

LAST = 9_999
"""The last scene of a split that can be drawn."""


@dataclass(frozen=True, slots=True)
class ExampleScene:
    """A scene with its picture, and one true caption of it."""

    scene: Scene
    image: Image.Image
    caption: str

    def _repr_png_(self) -> bytes | None:
        """For notebooks: the picture."""
        return self.image._repr_png_()


def scene(number: int = 0, *, split: str = "test") -> ExampleScene:
    """One procedural scene, for a first try.

    Args:
        number: from 0 to 9,999; scenes are drawn one after another.
        split: `train`, `validation` or `test`.

    Raises:
        ValueError: for an unknown split, or a number outside.

    Examples:
        >>> scene(3).image.size, len(scene(3).scene.things)
        ((192, 192), 3)
    """
    if not 0 <= number <= LAST:
        raise ValueError(f"scenes are drawn one after another, from 0 to {LAST}: got {number}")
    found = next(itertools.islice(iterate_scenes(split), number, None))
    caption = write_caption(found, np.random.default_rng(number))
    return ExampleScene(found, render(found), caption)
