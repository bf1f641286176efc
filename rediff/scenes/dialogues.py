"""Random dialogues about scenes: a question, its words, and a true answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from rediff.scenes.answers import answer
from rediff.scenes.questions import (
    AGAIN,
    ASKS,
    FOLLOW_UPS,
    REPEATED,
    Question,
    read_question,
    spoken_of,
)
from rediff.scenes.templates import Meaning, Words, pick, write_sentence
from rediff.scenes.world import (
    COLUMNS,
    QUALITIES,
    RELATIONS,
    ROWS,
    SHAPES,
    SORTS,
    Scene,
    Thing,
    sort_of,
)

FAMILIES: Mapping[str, Words] = {
    "count": ("count", "count-of"),
    "attribute": ("background", "colour", "size", "texture", "place", "exists", "has"),
    "relation": ("holds", "related", "at"),
    "instruction": ("describe", "describe-both", "describe-all", "colours", "places"),
    "dialogue": ("which", "describe", "colour", "size", "texture", "place"),
}
"""The kinds of questions of one turn, by the skill that they test; a dialogue's first questions."""
LONG = "instruction"
"""The family whose answers have several sentences, in any order."""
MAX_ANSWER = 79
"""Words of an answer at most: with its end-of-turn it fits a canvas of 80."""
ABSENT = 1 / 8
"""Share of the single questions of one shape's look or place that are of one that is not there."""


def family_of(said: Sequence[str]) -> str:
    """The family of the question that a dialogue ends with, "dialogue" for a second turn and for
    questions that only a first turn asks. Raises ValueError for any other question."""
    question = read_question(said)
    if question is None:
        raise ValueError(f"no question about scenes: {said[-1]!r}")
    if len(said) > 1:
        return "dialogue"
    return next(name for name, kinds in FAMILIES.items() if question.kind in kinds)


def write_dialogue(scene: Scene, family: str, rng: np.random.Generator) -> tuple[str, ...]:
    """Questions and true answers in turn, one of each or, of the family "dialogue", two.

    An answer of more than `MAX_ANSWER` words is drawn again.

    Args:
        scene: the subject of the dialogue.
        family: one of `FAMILIES`.
        rng: draws question, answer and wording.
    """
    kinds = FAMILIES[family]
    if family != "dialogue":
        question = _draw(pick(kinds, rng), scene, rng)
        return _turn(scene, question, ASKS[question.kind], rng)
    first = _draw_first(pick(kinds, rng), scene, rng)
    said = _turn(scene, first, ASKS[first.kind], rng)
    return (*said, *_turn(scene, *_follow(scene, first, said[1], rng), rng))


def _turn(
    scene: Scene, question: Question, asks: Words, rng: np.random.Generator
) -> tuple[str, str]:
    """A question, asked in one of some forms, and an answer."""
    text = " ".join(write_sentence(asks, question.filled, rng))
    space = answer(scene, question)
    while len((reply := space.write(rng)).split()) > MAX_ANSWER:
        pass
    return text, reply


def _follow(
    scene: Scene, first: Question, reply: str, rng: np.random.Generator
) -> tuple[Question, Words]:
    """A second question, and the forms that ask it: another one about the same shape, or the same
    about another shape."""
    shapes = [thing.shape for thing in scene.things]
    if first.kind in REPEATED and rng.random() < 0.3:
        other = pick([shape for shape in shapes if shape != first.filled["shape"]], rng)
        return Question(first.kind, {"shape": other}), AGAIN
    kind = pick([kind for kind in FOLLOW_UPS if kind != first.kind], rng)
    shape = spoken_of(first, reply)
    assert shape is not None
    filled = _FILLERS[kind](scene, scene.things[shapes.index(shape)], rng)
    return Question(kind, {**filled, "shape": shape}), FOLLOW_UPS[kind]


def _draw_first(kind: str, scene: Scene, rng: np.random.Generator) -> Question:
    """A question that leaves one shape spoken of, which is there."""
    thing = pick(scene.things, rng)
    if kind != "which":
        return Question(kind, {"shape": thing.shape})
    own = [q for q in thing.qualities if sum(q in t.qualities for t in scene.things) == 1]
    return (
        Question("which", {"quality": pick(own, rng)})
        if own
        else Question("describe", {"shape": thing.shape})
    )


def _draw(kind: str, scene: Scene, rng: np.random.Generator) -> Question:
    thing = pick(scene.things, rng)
    return Question(kind, _FILLERS[kind](scene, thing, rng) if kind in _FILLERS else {})


def _shape(
    scene: Scene, thing: Thing, rng: np.random.Generator, *, absent: float = ABSENT
) -> Meaning:
    """With probability `absent` a shape that is not there."""
    return {"shape": _missing(scene, rng) if rng.random() < absent else thing.shape}


def _having(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """A quality that the thing has, or as often one of the same sort that it has not."""
    number = int(rng.integers(len(SORTS)))
    own = thing.qualities[number]
    others = [value for value in SORTS[sort_of(own)] if value != own]
    return {"shape": thing.shape, "quality": own if rng.random() < 0.5 else pick(others, rng)}


def _related(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """A true relation of the thing, or as often a false one where there is one."""
    others = [other.shape for other in scene.things if other != thing]
    true = scene.pairwise()
    drawn = [(thing.shape, relation, other) for relation in RELATIONS for other in others]
    wanted = rng.random() < 0.5
    fitting = [triple for triple in drawn if (triple in true) == wanted]
    shape, relation, other = pick(fitting or drawn, rng)
    return {"shape": shape, "relation": relation, "other": other}


def _pair(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    other = pick([other for other in scene.things if other != thing], rng)
    return {"shape": thing.shape, "other": other.shape}


def _relation_to(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    return {"relation": pick(RELATIONS, rng), "other": thing.shape}


def _quality(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """A quality of some thing, or now and then any."""
    return {"quality": pick(QUALITIES if rng.random() < 0.25 else thing.qualities, rng)}


def _cell(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """The place of a thing, or now and then any."""
    if rng.random() < 0.25:
        return {"row": pick(ROWS, rng), "column": pick(COLUMNS, rng)}
    return {"row": thing.row, "column": thing.column}


_FILLERS: Mapping[str, Callable[[Scene, Thing, np.random.Generator], Meaning]] = {
    **dict.fromkeys(("colour", "size", "texture", "place", "describe"), _shape),
    "exists": partial(_shape, absent=0.5),
    "count-of": _quality,
    "describe-all": _quality,
    "has": _having,
    "holds": _related,
    "related": _relation_to,
    "at": _cell,
    "describe-both": _pair,
}
"""The slot fillers of a kind's question, about a thing of the scene."""


def _missing(scene: Scene, rng: np.random.Generator) -> str:
    there = {thing.shape for thing in scene.things}
    return pick([shape for shape in SHAPES if shape not in there], rng)
