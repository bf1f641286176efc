"""Draws a scene, larger than the model looks at it, so that people can look at it too."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from rediff.scenes.world import COLUMNS, ROWS, Scene, Thing

CELL = 64
"""Side of a grid square in pixels; a picture is three by three of them."""
RADIUS: Mapping[str, int] = {"small": 19, "large": 29}
JITTER = 2
"""Greatest offset of a shape from the middle of its grid square, pixels."""
PATTERN = 12
"""Period of stripes and dots, pixels."""
TINT = 0.65
"""How far the second colour of a pattern lies from the first towards white."""

RGB: Mapping[str, tuple[int, int, int]] = {
    "red": (214, 39, 40),
    "yellow": (240, 200, 20),
    "green": (34, 139, 60),
    "blue": (31, 90, 200),
    "purple": (128, 60, 170),
    "brown": (130, 80, 40),
    "pink": (255, 130, 190),
    "black": (25, 25, 25),
    "white": (255, 255, 255),
    "grey": (180, 180, 185),
    "beige": (235, 220, 185),
    "mint": (190, 235, 215),
}

Draw = Callable[[ImageDraw.ImageDraw, float, float, float], None]


def render(scene: Scene) -> Image.Image:
    """The scene as an RGB picture of 192 x 192 pixels; the same scene gives the same pixels."""
    rng = np.random.default_rng(zlib.crc32(scene.to_json().encode()))
    picture = Image.new("RGB", (CELL * len(COLUMNS), CELL * len(ROWS)), RGB[scene.background])
    for thing in scene.things:
        dx, dy = rng.integers(-JITTER, JITTER + 1, size=2)
        x = COLUMNS.index(thing.column) * CELL + CELL // 2 + int(dx)
        y = ROWS.index(thing.row) * CELL + CELL // 2 + int(dy)
        _paint(picture, thing, x, y)
    return picture


def _paint(picture: Image.Image, thing: Thing, x: int, y: int) -> None:
    stencil = Image.new("L", picture.size, 0)
    _DRAWERS[thing.shape](ImageDraw.Draw(stencil), x, y, RADIUS[thing.size])
    colour = RGB[thing.colour]
    picture.paste(colour, mask=stencil)
    if thing.texture != "plain":
        pattern = _pattern(thing.texture, picture.size)
        lighter = tuple(round(channel + TINT * (255 - channel)) for channel in colour)
        picture.paste(lighter, mask=ImageChops.multiply(stencil, pattern))


def _pattern(texture: str, size: tuple[int, int]) -> Image.Image:
    yy, xx = np.mgrid[0 : size[1], 0 : size[0]]
    if texture == "striped":
        on = (xx + yy) % PATTERN < PATTERN * 0.45
    else:
        half = PATTERN / 2
        on = np.hypot(xx % PATTERN - half, yy % PATTERN - half) < PATTERN * 0.32
    return Image.fromarray(np.where(on, 255, 0).astype(np.uint8))


def _polygon(corners: int, inner: float = 1.0, turn: float = -0.25) -> Draw:
    """A regular polygon, or a star when `inner`, the share of the radius between points, is < 1."""

    def draw(canvas: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
        count = corners if inner == 1.0 else 2 * corners
        radii = [r if i % 2 == 0 or inner == 1.0 else r * inner for i in range(count)]
        angles = [2 * math.pi * (i / count + turn) for i in range(count)]
        points = [
            (x + q * math.cos(a), y + q * math.sin(a)) for q, a in zip(radii, angles, strict=True)
        ]
        canvas.polygon(points, fill=255)

    return draw


def _circle(canvas: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    canvas.ellipse((x - r, y - r, x + r, y + r), fill=255)


def _ring(canvas: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    _circle(canvas, x, y, r)
    canvas.ellipse((x - r / 2, y - r / 2, x + r / 2, y + r / 2), fill=0)


def _cross(canvas: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    arm = r * 0.36
    canvas.rectangle((x - r, y - arm, x + r, y + arm), fill=255)
    canvas.rectangle((x - arm, y - r, x + arm, y + r), fill=255)


def _heart(canvas: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    half = r / 2
    canvas.ellipse((x - r, y - r, x, y), fill=255)
    canvas.ellipse((x, y - r, x + r, y), fill=255)
    canvas.polygon(
        [(x - r * 0.95, y - half * 0.6), (x + r * 0.95, y - half * 0.6), (x, y + r)], 255
    )


_DRAWERS: Mapping[str, Draw] = {
    "circle": _circle,
    "square": _polygon(4, turn=0.125),
    "triangle": _polygon(3),
    "star": _polygon(5, inner=0.42),
    "diamond": _polygon(4),
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
}
