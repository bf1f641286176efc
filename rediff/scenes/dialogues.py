"""Random dialogues about scenes: what is asked, in which words, and a true answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from rediff.scenes.answers import answer
from rediff.scenes.forms import Meaning, Words, write_sentence
from rediff.scenes.questions import (
    AGAIN,
    ASKS,
    FOLLOW_UPS,
    REPEATED,
    Question,
    read_question,
)
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

Choice = TypeVar("Choice")
FAMILIES: Mapping[str, Words] = {
    "count": ("count", "count-of"),
    "attribute": ("background", "colour", "size", "texture", "place", "exists", "has"),
    "relation": ("holds", "related", "at"),
    "instruction": ("describe", "describe-both", "describe-all", "colours", "places"),
    "dialogue": ("which", "describe", "colour", "size", "texture", "place"),
}
"""What is asked in one turn, by what it takes to answer; a dialogue's first questions."""
MAX_ANSWER = 79
"""Words of an answer at most: with its end-of-turn it fits a canvas of 80."""
ABSENT = 1 / 8
"""Share of the single questions of one shape's look or place that are of one that is not there."""


def family_of(said: Sequence[str]) -> str:
    """The family of the question that a dialogue ends with, "dialogue" for a second turn and for
    what only a first turn asks. Raises ValueError for any other question."""
    question = read_question(said)
    if question is None:
        raise ValueError(f"no question about scenes: {said[-1]!r}")
    if len(said) > 1:
        return "dialogue"
    return next(name for name, kinds in FAMILIES.items() if question.kind in kinds)


def write_dialogue(scene: Scene, family: str, rng: np.random.Generator) -> tuple[str, ...]:
    """Questions and true answers in turn, one of each or, of the family "dialogue", two.

    An answer of more than `MAX_ANSWER` words is drawn again.
    """
    kinds = FAMILIES[family]
    if family != "dialogue":
        return _asked(scene, _draw(_pick(kinds, rng), scene, rng), rng)
    first = _asked(scene, _draw_first(_pick(kinds, rng), scene, rng), rng)
    question = _follow(first, scene, rng)
    return (*first, question, _answer(scene, (*first, question), rng))


def _asked(scene: Scene, question: Question, rng: np.random.Generator) -> tuple[str, str]:
    text = " ".join(write_sentence(ASKS[question.kind], question.filled, rng))
    return text, _answer(scene, (text,), rng)


def _answer(scene: Scene, said: Sequence[str], rng: np.random.Generator) -> str:
    question = read_question(said)
    assert question is not None
    outline = answer(scene, question)
    while len((text := outline.write(rng)).split()) > MAX_ANSWER:
        pass
    return text


def _follow(first: tuple[str, str], scene: Scene, rng: np.random.Generator) -> str:
    """A second question: another one about the same shape, or the same about another shape."""
    before = read_question(first[:1])
    assert before is not None
    if before.kind in REPEATED and rng.random() < 0.3:
        shape = _pick([t.shape for t in scene.things if t.shape != before.filled["shape"]], rng)
        return " ".join(write_sentence(AGAIN, {"shape": shape}, rng))
    kind = _pick([kind for kind in FOLLOW_UPS if kind != before.kind], rng)
    about = read_question((*first, "describe it ."))
    assert about is not None
    thing = next(thing for thing in scene.things if thing.shape == about.filled["shape"])
    filled = _FILLERS[kind](scene, thing, rng)
    return " ".join(write_sentence(FOLLOW_UPS[kind], filled, rng))


def _draw_first(kind: str, scene: Scene, rng: np.random.Generator) -> Question:
    """A question that leaves one shape spoken of, which is there."""
    thing = _pick(scene.things, rng)
    if kind != "which":
        return Question(kind, {"shape": thing.shape})
    own = [q for q in thing.qualities if sum(q in t.qualities for t in scene.things) == 1]
    return (
        Question("which", {"quality": _pick(own, rng)})
        if own
        else Question("describe", {"shape": thing.shape})
    )


def _draw(kind: str, scene: Scene, rng: np.random.Generator) -> Question:
    thing = _pick(scene.things, rng)
    return Question(kind, _FILLERS[kind](scene, thing, rng) if kind in _FILLERS else {})


def _shape(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """Now and then a shape that is not there."""
    return {"shape": _missing(scene, rng) if rng.random() < ABSENT else thing.shape}


def _existing(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    return {"shape": _missing(scene, rng) if rng.random() < 0.5 else thing.shape}


def _having(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """A quality that the thing has, or as often one of the same sort that it has not."""
    number = int(rng.integers(len(SORTS)))
    own = thing.qualities[number]
    others = [value for value in SORTS[sort_of(own)] if value != own]
    return {"shape": thing.shape, "quality": own if rng.random() < 0.5 else _pick(others, rng)}


def _related(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """A true relation of the thing, or as often a false one where there is one."""
    others = [other.shape for other in scene.things if other != thing]
    true = scene.pairwise()
    drawn = [(thing.shape, relation, other) for relation in RELATIONS for other in others]
    wanted = rng.random() < 0.5
    fitting = [triple for triple in drawn if (triple in true) == wanted]
    shape, relation, other = _pick(fitting or drawn, rng)
    return {"shape": shape, "relation": relation, "other": other}


def _pair(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    other = _pick([other for other in scene.things if other != thing], rng)
    return {"shape": thing.shape, "other": other.shape}


def _relation_to(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    return {"relation": _pick(RELATIONS, rng), "other": thing.shape}


def _quality(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """A quality of some thing, or now and then any."""
    return {"quality": _pick(QUALITIES if rng.random() < 0.25 else thing.qualities, rng)}


def _cell(scene: Scene, thing: Thing, rng: np.random.Generator) -> Meaning:
    """The place of a thing, or now and then any."""
    if rng.random() < 0.25:
        return {"row": _pick(ROWS, rng), "column": _pick(COLUMNS, rng)}
    return {"row": thing.row, "column": thing.column}


_FILLERS: Mapping[str, Callable[[Scene, Thing, np.random.Generator], Meaning]] = {
    **dict.fromkeys(("colour", "size", "texture", "place", "describe"), _shape),
    "count-of": _quality, "describe-all": _quality, "exists": _existing, "has": _having,
    "holds": _related, "related": _relation_to, "at": _cell, "describe-both": _pair,
}  # fmt: skip
"""What fills the slots of a kind's question, about a thing of the scene."""


def _missing(scene: Scene, rng: np.random.Generator) -> str:
    there = {thing.shape for thing in scene.things}
    return _pick([shape for shape in SHAPES if shape not in there], rng)


def _pick(values: Sequence[Choice], rng: np.random.Generator) -> Choice:
    return values[int(rng.integers(len(values)))]
