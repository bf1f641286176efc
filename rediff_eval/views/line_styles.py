"""One look for every plot: a colour for each model, a marker and a shade for each sampler."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from dataclasses import dataclass

SHIPPED = {
    "base": "#7a7f85",
    "control": "#c4681c",
    "stage1": "#7a4fa3",
    "rediff": "#1f5fa8",
    "rediff-self": "#b03060",
    "ar": "#2d8a4e",
}
"""Colours of the shipped models."""
OTHERS = (
    "#4a94bd",
    "#8a7a1e",
    "#1b8a8f",
    "#d1495b",
    "#5b6abf",
    "#6b8e23",
    "#a0522d",
    "#c2185b",
    "#00798c",
    "#9c6ade",
    "#b8860b",
    "#33691e",
)
"""Of others, in their order; beyond these they begin again."""
MARKERS = ("circle", "square", "triangle", "diamond", "cross")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2")
LIGHTER = 0.12
"""How much lighter the shade of each further sampler is, at most four times."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a line is drawn. `colour`: hexadecimal; `dash`: lengths in points, as SVG has them."""

    colour: str
    marker: str
    dash: str


def line_styles(lines: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Style]:
    """The style of each line of a plot.

    Args:
        lines: model and sampler of each, in their order.

    Examples:
        >>> styles = line_styles([("rediff", "refine"), ("rediff", "mend"), ("m", "refine")])
        >>> styles["rediff", "refine"]
        Style(colour='#1f5fa8', marker='circle', dash='')
        >>> styles["m", "refine"].marker, styles["rediff", "mend"].marker
        ('circle', 'square')
    """
    pairs = list(dict.fromkeys(lines))
    samplers = list(dict.fromkeys(sampler for _, sampler in pairs))
    others = [m for m in dict.fromkeys(model for model, _ in pairs) if m not in SHIPPED]
    colours = {**SHIPPED, **{m: OTHERS[i % len(OTHERS)] for i, m in enumerate(others)}}
    return {
        (model, sampler): _style(colours[model], samplers.index(sampler))
        for model, sampler in pairs
    }


def _style(colour: str, number: int) -> Style:
    shade = min(number, len(MARKERS) - 1)
    marker, dash = MARKERS[number % len(MARKERS)], DASHES[number % len(DASHES)]
    return Style(_lighter(colour, LIGHTER * shade), marker, dash)


def _lighter(colour: str, share: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, depth = colorsys.rgb_to_hls(red, green, blue)
    parts = colorsys.hls_to_rgb(hue, light + (1 - light) * share, depth)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)
