"""Questions about scenes with lettered options, and a caption's answers to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from rediff.scenes.grammar import COUNTS
from rediff.scenes.parser import read_caption, tokenize
from rediff.scenes.world import (
    AT,
    BACKGROUND,
    BACKGROUNDS,
    COLUMNS,
    RELATIONS,
    ROWS,
    SORTS,
    Graph,
    Scene,
)
from rediff_eval.benchmarks.sample import Question

LETTERS = "ABCD"
OPTIONS = 4
CELLS = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)
_LOOK = re.compile(r"What is the (colour|size|texture) of the (\w+)\?")
_PLACE = re.compile(r"Where is the (\w+)\?")
_RELATION = re.compile(rf"Is the (\w+) ({'|'.join(RELATIONS)}) the (\w+)\?")
_OPTION = re.compile(r"^([A-D])\) (.+)$", re.MULTILINE)


def ask_about(scene: Scene, rng: np.random.Generator) -> Iterator[Question]:
    """Questions about all of a scene: the number of shapes, the background, every thing's look and
    place, and one relation between any two things."""
    yield _question("How many shapes are there?", COUNTS[len(scene.things)], ("three", "four"), rng)
    yield _question("What is the colour of the background?", scene.background, BACKGROUNDS, rng)
    for thing in scene.things:
        for name, values in SORTS.items():
            text = f"What is the {name} of the {thing.shape}?"
            yield _question(text, getattr(thing, name), values, rng)
        yield _question(f"Where is the {thing.shape}?", thing.place, CELLS, rng)
    true = scene.pairwise()
    for number, thing in enumerate(scene.things):
        for other in scene.things[number + 1 :]:
            relation = RELATIONS[rng.integers(len(RELATIONS))]
            right = "yes" if (thing.shape, relation, other.shape) in true else "no"
            text = f"Is the {thing.shape} {relation} the {other.shape}?"
            yield _question(text, right, ("yes", "no"), rng)


def _question(text: str, right: str, values: Sequence[str], rng: np.random.Generator) -> Question:
    wrong = [value for value in values if value != right]
    kept = [wrong[i] for i in rng.permutation(len(wrong))[: OPTIONS - 1]] + [right]
    options = [kept[i] for i in rng.permutation(len(kept))]
    lines = [f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return Question("\n".join([text, *lines]), LETTERS[options.index(right)])


def answer_from(caption: str, question: str) -> str | None:
    """The letter that a caption alone answers a question with.

    Args:
        caption: all that is known of the picture.
        question: one of `ask_about`, with its options.

    Returns:
        None where the caption does not say, or says several things.

    Raises:
        ValueError: for any other question.
    """
    graph = read_caption(caption)
    said = _said(caption, graph, question)
    letters = [letter for letter, option in _OPTION.findall(question) if option in said]
    return letters[0] if len(letters) == 1 else None


def _said(caption: str, graph: Graph, question: str) -> set[str]:
    """The caption's answer to a question, in the words of its options."""
    first = question.split("\n")[0]
    if first == "How many shapes are there?":
        return set(COUNTS.values()) & set(tokenize(caption))
    if look := _LOOK.fullmatch(first):
        owner = BACKGROUND if look[2] == BACKGROUND else look[2]
        return {word for shape, word in graph.attributes if shape == owner}
    if place := _PLACE.fullmatch(first):
        return {
            cell for shape, relation, cell in graph.relations if (shape, relation) == (place[1], AT)
        }
    if relation := _RELATION.fullmatch(first):
        return _relation_said(graph, relation[1], relation[2], relation[3])
    raise ValueError(f"no question about scenes: {first!r}")


def _relation_said(graph: Graph, one: str, relation: str, other: str) -> set[str]:
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    said = set()
    if {(one, relation, other), (other, opposite[relation], one)} & graph.relations:
        said.add("yes")
    if {(one, opposite[relation], other), (other, relation, one)} & graph.relations:
        said.add("no")
    places: dict[str, set[str]] = {}
    for shape, name, cell in graph.relations:
        if name == AT:
            places.setdefault(shape, set()).add(cell)
    for cell in places.get(one, ()):
        for cell_of_other in places.get(other, ()):
            said.add("yes" if _holds(cell, relation, cell_of_other) else "no")
    return said


def _holds(cell: str, relation: str, other: str) -> bool:
    words, order = (0, ROWS) if relation in ("above", "below") else (1, COLUMNS)
    one, two = (order.index(place.split()[words]) for place in (cell, other))
    return one < two if relation in ("left of", "above") else one > two
