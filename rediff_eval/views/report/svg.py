"""Lines with intervals, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rediff_eval.views.front import pareto
from rediff_eval.views.line_styles import Style

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 42
CORNERS: Mapping[str, Sequence[tuple[float, float]]] = {
    "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
    "triangle": ((0, -5), (5, 4), (-5, 4)),
    "diamond": ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
    "cross": (
        *((-5, -2), (-2, -5), (0, -3), (2, -5), (5, -2), (3, 0)),
        *((5, 2), (2, 5), (0, 3), (-2, 5), (-5, 2), (-3, 0)),
    ),
}
"""Of the markers but the circle, around their middle."""


@dataclass(frozen=True, slots=True)
class Point:
    """x, y, and y's interval."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """A named line."""

    name: str
    style: Style
    points: Sequence[Point]


def chart(lines: Sequence[Line], *, x_label: str, y_label: str, front: bool = False) -> str:
    """A chart with x on a logarithmic scale; the empty text where there is nothing to draw.

    `front`: with a line through the points that no other beats in both x (less) and y (more).
    """
    points = [point for line in lines for point in line.points if point.x > 0]
    if not points:
        return ""
    scale = _Scale.around(points)
    below = _draw_front(points, scale) if front else []
    return _picture(lines, scale, below, x_label, y_label)


def square_chart(
    lines: Sequence[Line], *, x_label: str, y_label: str, diagonal: bool = False
) -> str:
    """A chart of shares against shares, both from 0 to 1; the empty text where there is nothing to
    draw. `diagonal`: with the line on which they are equal."""
    if not any(line.points for line in lines):
        return ""
    scale = _Shares(-0.02, 1.02, -0.02, 1.02)
    (x1, y1), (x2, y2) = [(scale.x(v), scale.y(v)) for v in (0, 1)]
    drawn = f'<line class="diagonal" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
    return _picture(lines, scale, [drawn] if diagonal else [], x_label, y_label)


def _picture(
    lines: Sequence[Line], scale: _Scale, below: Sequence[str], x_label: str, y_label: str
) -> str:
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(f"{y_label} against {x_label}")}">',
        *_axes(scale, x_label, y_label),
        *below,
        *(part for line in lines for part in _draw(line, scale)),
        "</svg>",
    ]
    return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where values lie: x by its logarithm."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, points: Sequence[Point]) -> _Scale:
        xs = [math.log(point.x) for point in points]
        low, high = min(p.low for p in points), max(p.high for p in points)
        wide, tall = max(max(xs) - min(xs), 0.5), max(high - low, 1e-6)
        return cls(
            min(xs) - 0.06 * wide, max(xs) + 0.06 * wide, low - 0.06 * tall, high + 0.06 * tall
        )

    def x(self, value: float) -> float:
        return self._across(math.log(value))

    def _across(self, place: float) -> float:
        share = (place - self.left) / (self.right - self.left)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def x_ticks(self) -> list[float]:
        exponents = range(math.floor(self.left / math.log(2)), math.ceil(self.right / math.log(2)))
        ticks = [2.0**e for e in exponents if self.left <= e * math.log(2) <= self.right]
        return ticks[:: max(1, len(ticks) // 6)]

    def y_ticks(self) -> list[float]:
        step = 10 ** math.floor(math.log10((self.top - self.bottom) / 2))
        while (self.top - self.bottom) / step > 7:
            step *= 2
        first = math.ceil(self.bottom / step)
        return [i * step for i in range(first, math.floor(self.top / step) + 1)]


class _Shares(_Scale):
    """Where shares lie: x as it is."""

    def x(self, value: float) -> float:
        return self._across(value)

    def x_ticks(self) -> list[float]:
        return [0, 0.2, 0.4, 0.6, 0.8, 1]


def _axes(scale: _Scale, x_label: str, y_label: str) -> list[str]:
    floor = HEIGHT - BOTTOM
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        for value in scale.y_ticks()
        for y in [scale.y(round(value, 10))]
    ]
    parts += [
        f'<text class="tick" x="{scale.x(value):.1f}" y="{floor + 16}" text-anchor="middle">'
        f"{value:.3g}</text>"
        for value in scale.x_ticks()
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [
        *parts,
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>',
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="translate(13 {floor / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>",
    ]


def _draw_front(points: Sequence[Point], scale: _Scale) -> list[str]:
    front = pareto(points, lambda p: (p.x, p.y))
    path = " ".join(f"{scale.x(p.x):.1f},{scale.y(p.y):.1f}" for p in front)
    return [f'<polyline class="front" points="{path}"><title>Pareto front</title></polyline>']


def _draw(line: Line, scale: _Scale) -> list[str]:
    points = sorted((p for p in line.points if p.x > 0), key=lambda p: p.x)
    places = [(scale.x(p.x), scale.y(p.y), scale.y(p.low), scale.y(p.high)) for p in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
    style = line.style
    parts = [
        f'<g class="series" style="--c: {style.colour}"><title>{escape(line.name)}</title>',
        f'<polyline points="{path}" stroke-dasharray="{style.dash or "none"}"/>',
    ]
    for (x, y, low, high), point in zip(places, points, strict=True):
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
        label = f"{line.name}: {point.y:.3f} [{point.low:.3f}, {point.high:.3f}] at {point.x:.3g}"
        shape = marker(style.marker, x, y)
        parts.append(f'<path class="mark" d="{shape}"><title>{escape(label)}</title></path>')
    return [*parts, "</g>"]


def marker(kind: str, x: float, y: float) -> str:
    """The path of a marker around a point, of one of `MARKERS`."""
    if kind == "circle":
        return f"M{x - 4:.1f},{y:.1f}a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z"
    corners = CORNERS[kind]
    return "M" + "L".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners) + "z"
