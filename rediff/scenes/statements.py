"""The scene that a complete caption describes, and statements about it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from rediff.scenes.parser import read_caption
from rediff.scenes.world import (
    AT,
    BACKGROUND,
    COLOURS,
    RELATIONS,
    SIZES,
    TEXTURES,
    Graph,
    Scene,
    Thing,
)

_EXISTS = re.compile(r"There is a (\w+)\.?")
_LOOKS = re.compile(r"The (\w+) is (\w+)\.?")
_STANDS = re.compile(r"The (\w+) is at the (\w+ \w+)\.?")
_RELATES = re.compile(rf"The (\w+) is ({'|'.join(RELATIONS)}) the (\w+)\.?")


def scene_of(reference: str) -> Scene:
    """The scene of a reference caption, which states everything.

    Raises ValueError for a text that leaves something out or contradicts itself.
    """
    graph = read_caption(reference)
    words: defaultdict[str, list[str]] = defaultdict(list)
    for owner, word in graph.attributes:
        words[owner].append(word)
    places: defaultdict[str, list[str]] = defaultdict(list)
    for shape, relation, place in graph.relations:
        if relation == AT:
            places[shape].append(place)
    try:
        things = tuple(
            _thing(shape, words[shape], places[shape]) for shape in sorted(graph.objects)
        )
        (background,) = words[BACKGROUND]
    except ValueError as error:
        raise ValueError("the reference is not a complete caption of one scene") from error
    return Scene(things, background)


def _thing(shape: str, words: list[str], places: list[str]) -> Thing:
    (colour,), (size,), (texture,) = (
        [word for word in words if word in values] for values in (COLOURS, SIZES, TEXTURES)
    )
    (place,) = places
    row, column = place.split()
    return Thing(shape, colour, size, texture, row, column)


def statements(caption: str) -> list[str]:
    """All that a caption states, each fact as one plain sentence."""
    return list(_statements(read_caption(caption)))


def _statements(graph: Graph) -> Iterator[str]:
    for shape in sorted(graph.objects):
        yield f"There is a {shape}."
    for owner, word in sorted(graph.attributes):
        yield f"The {owner} is {word}."
    for shape, relation, other in sorted(graph.relations):
        yield (
            f"The {shape} is at the {other}."
            if relation == AT
            else (f"The {shape} is {relation} the {other}.")
        )


def holds(statement: str, scene: Scene) -> bool:
    """Whether a sentence is true of a scene.

    Args:
        statement: one of the sentences that `statements` writes.
        scene: the truth.

    Raises:
        ValueError: for any other sentence.
    """
    truth = scene.graph()
    if match := _EXISTS.fullmatch(statement):
        return match[1] in truth.objects
    if match := _STANDS.fullmatch(statement):
        return (match[1], AT, match[2]) in truth.relations
    if match := _RELATES.fullmatch(statement):
        return (match[1], match[2], match[3]) in scene.pairwise()
    if match := _LOOKS.fullmatch(statement):
        return (match[1], match[2]) in truth.attributes
    raise ValueError(f"no statement about scenes: {statement!r}")
