"""The embedded world: the things that a picture can show, and the facts about them.

A scene is three or four things of different shape in the squares of a 3 x 3 grid, over a plain
background. Everything about it is known exactly, so captions can be written, read and judged
without a model or a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross", "ring", "heart")
COLOURS = ("red", "yellow", "green", "blue", "purple", "brown", "pink", "black")
SIZES = ("small", "large")
TEXTURES = ("plain", "striped", "dotted")
SORTS: Mapping[str, tuple[str, ...]] = {"colour": COLOURS, "size": SIZES, "texture": TEXTURES}
"""The sorts of qualities that a thing has one of each, by the name of its field."""
QUALITIES = (*COLOURS, *SIZES, *TEXTURES)
BACKGROUNDS = ("white", "grey", "beige", "mint")
ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")
RELATIONS = ("left of", "right of", "above", "below")

BACKGROUND = "background"
"""Owner of the background colour in a graph's attributes."""
AT = "at"
"""Predicate of a place in a graph's relations: `(shape, "at", "top left")`."""

MIN_THINGS, MAX_THINGS = 3, 4


@dataclass(frozen=True, slots=True)
class Thing:
    """One drawn shape; `row` and `column` are the words of its grid square."""

    shape: str
    colour: str
    size: str
    texture: str
    row: str
    column: str

    @property
    def qualities(self) -> tuple[str, str, str]:
        """In the order of `SORTS`."""
        return self.colour, self.size, self.texture

    @property
    def place(self) -> str:
        return f"{self.row} {self.column}"


@dataclass(frozen=True, slots=True)
class Graph:
    """The content of a picture or the statements of a caption, as sets of facts.

    `objects` are shapes, `attributes` are (owner, word) pairs, `relations` are
    (subject, predicate, object) triples.
    """

    objects: frozenset[str] = field(default_factory=frozenset)
    attributes: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    relations: frozenset[tuple[str, str, str]] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Scene:
    """Things (no two of one shape, no two in one grid square) over a background colour."""

    things: tuple[Thing, ...]
    background: str

    def graph(self) -> Graph:
        """Every fact a complete caption states.

        Pairwise relations are left out: they follow from the places (see `pairwise`), and no
        caption is expected to spell all of them out.
        """
        return Graph(
            objects=frozenset(t.shape for t in self.things),
            attributes=frozenset(
                {(BACKGROUND, self.background)}
                | {(t.shape, word) for t in self.things for word in (t.colour, t.size, t.texture)}
            ),
            relations=frozenset((t.shape, AT, t.place) for t in self.things),
        )

    def pairwise(self) -> frozenset[tuple[str, str, str]]:
        """Every true (shape, relation, other shape), by strict order of rows or columns."""
        return frozenset(_pairwise(self.things))

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Scene:
        raw = json.loads(text)
        return cls(tuple(Thing(**thing) for thing in raw["things"]), raw["background"])


def sort_of(quality: str) -> str:
    """The sort that a quality is of, a key of `SORTS`."""
    return next(sort for sort, values in SORTS.items() if quality in values)


def _pairwise(things: tuple[Thing, ...]) -> Iterator[tuple[str, str, str]]:
    for a in things:
        for b in things:
            if COLUMNS.index(a.column) < COLUMNS.index(b.column):
                yield a.shape, "left of", b.shape
                yield b.shape, "right of", a.shape
            if ROWS.index(a.row) < ROWS.index(b.row):
                yield a.shape, "above", b.shape
                yield b.shape, "below", a.shape


def sample_scene(rng: np.random.Generator) -> Scene:
    """A scene with uniform choices: number of things, shapes, grid squares, and every attribute."""
    count = int(rng.integers(MIN_THINGS, MAX_THINGS + 1))
    shapes = rng.permutation(len(SHAPES))[:count]
    cells = rng.permutation(len(ROWS) * len(COLUMNS))[:count]
    things = tuple(
        Thing(
            shape=SHAPES[shape],
            colour=COLOURS[rng.integers(len(COLOURS))],
            size=SIZES[rng.integers(len(SIZES))],
            texture=TEXTURES[rng.integers(len(TEXTURES))],
            row=ROWS[cell // len(COLUMNS)],
            column=COLUMNS[cell % len(COLUMNS)],
        )
        for shape, cell in zip(shapes, cells, strict=True)
    )
    return Scene(things, BACKGROUNDS[rng.integers(len(BACKGROUNDS))])
