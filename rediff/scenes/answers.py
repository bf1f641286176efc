"""All that is true to answer to a question about a scene.

From these answers the training data are written, Stage II's oracle takes the one nearest to a
draft, and the evaluation tells right answers from wrong ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from rediff.scenes.grammar import NUMBERS, THING_FORMS, thing_meaning
from rediff.scenes.questions import AGAIN, ASKS, FOLLOW_UPS, Question
from rediff.scenes.sentence_parser import Sentence, SentenceParser
from rediff.scenes.templates import LIST, Meaning, Words, expand, literal_words
from rediff.scenes.text_space import Forms, TextSpace
from rediff.scenes.world import Scene, Thing, sort_of

PLACE_FORMS = (
    "the {shape} {verb} {place} .",
    "the {shape} is {place} .",
    "{place} is the {shape} .",
)
ANSWERS: Mapping[str, Words] = {
    "count": (
        "there are {number} (shapes|figures) .",
        "the {picture} shows {number} (shapes|figures) .",
    ),
    "count-of": (
        "{number} of the (shapes|figures) are {quality} .",
        "there are {number} {quality} (shapes|figures) .",
    ),
    "count-of-one": (
        "one of the (shapes|figures) is {quality} .",
        "there is one {quality} (shape|figure) .",
    ),
    "none-is": ("none of the (shapes|figures) is {quality} .", "nothing is {quality} ."),
    "absent": ("there is no {shape} .", "no , there is no {shape} ."),
    "background": (
        "the background is {background} .",
        "the {picture} has a {background} background .",
    ),
    "colour": ("the {shape} is {colour} .", "its colour is {colour} ."),
    "size": ("the {shape} is {size} .", "its size is {size} ."),
    "texture": ("the {shape} is {texture} .", "its texture is {texture} ."),
    "place": PLACE_FORMS,
    "exists": ("yes , there is a {shape} .", "yes , one can see a {shape} ."),
    "has": ("yes , the {shape} is {quality} .", "yes , it is {quality} ."),
    "has-not": ("no , the {shape} is {true} .", "no , it is {true} ."),
    "holds": (
        "yes , the {shape} is {relation} the {other} .",
        "yes , it is {relation} the {other} .",
    ),
    "holds-not": (
        "no , the {shape} is not {relation} the {other} .",
        "no , it is not {relation} the {other} .",
    ),
    "related": (
        "the {shapes} are {relation} the {other} .",
        "{relation} the {other} are the {shapes} .",
    ),
    "related-one": (
        "the {shape} is {relation} the {other} .",
        "{relation} the {other} is the {shape} .",
    ),
    "related-none": (
        "nothing is {relation} the {other} .",
        "{relation} the {other} there is nothing .",
    ),
    "at": ("there is a {shape} {place} .", *PLACE_FORMS),
    "at-nothing": ("there is nothing {place} .", "nothing is {place} ."),
    "which": ("the {shapes} are {quality} .",),
    "which-one": ("the {shape} is {quality} .",),
    "describe": THING_FORMS,
    "colours": ("there is a {colour} {shape} .", "the {shape} is {colour} ."),
}


def question_words() -> Words:
    """Every word of questions and answers that does not fill a slot, and all numbers, sorted."""
    tables = (ASKS, FOLLOW_UPS, ANSWERS)
    lines = itertools.chain(AGAIN, *(lines for table in tables for lines in table.values()))
    return tuple(sorted({*literal_words(lines), *NUMBERS}))


def answer(scene: Scene, question: Question) -> TextSpace:
    """All true answers to a question about a scene.

    To a question about a shape that is not there, that it is not there.
    """
    things = {thing.shape: thing for thing in scene.things}
    filled = question.filled
    named = list(dict.fromkeys(filled[slot] for slot in ("shape", "other") if slot in filled))
    if missing := [shape for shape in named if shape not in things]:
        return TextSpace(tuple(_says("absent", {"shape": shape}) for shape in missing))
    match question.kind:
        case "count":
            return _one("count", {"number": NUMBERS[len(things)]})
        case "background":
            return _one("background", {"background": scene.background})
        case "count-of" | "which" | "describe-all":
            return _about_quality(scene, question.kind, filled["quality"])
        case "has":
            return _about_having(things[filled["shape"]], filled)
        case "holds":
            true = (filled["shape"], filled["relation"], filled["other"]) in scene.pairwise()
            return _one("holds" if true else "holds-not", filled)
        case "related":
            return _about_related(scene, filled)
        case "at":
            place = (filled["row"], filled["column"])
            there = [t for t in scene.things if (t.row, t.column) == place]
            return _one("at", thing_meaning(there[0])) if there else _one("at-nothing", filled)
        case "describe-both":
            return _each("describe", [things[shape] for shape in named])
        case "colours":
            return _each("colours", scene.things)
        case "places":
            return _each("place", scene.things)
    return _each(question.kind, [things[named[0]]])


def _about_quality(scene: Scene, kind: str, quality: str) -> TextSpace:
    there = [thing for thing in scene.things if quality in thing.qualities]
    if not there:
        return _one("none-is", {"quality": quality})
    if kind == "describe-all":
        return _each("describe", there)
    if len(there) == 1:
        return _one(f"{kind}-one", {"quality": quality, "shape": there[0].shape})
    several = {"number": NUMBERS[len(there)], LIST: " ".join(thing.shape for thing in there)}
    return _one(kind, {"quality": quality, **several})


def _about_having(thing: Thing, filled: Meaning) -> TextSpace:
    quality = filled["quality"]
    if quality in thing.qualities:
        return _one("has", filled)
    return _one("has-not", {**filled, "true": getattr(thing, sort_of(quality))})


def _about_related(scene: Scene, filled: Meaning) -> TextSpace:
    relation, other = filled["relation"], filled["other"]
    true = scene.pairwise()
    there = [t.shape for t in scene.things if (t.shape, relation, other) in true]
    kind = ("related-none", "related-one", "related")[min(2, len(there))]
    return _one(kind, {**filled, "shape": there[0] if there else "", LIST: " ".join(there)})


def _one(kind: str, meaning: Meaning) -> TextSpace:
    return TextSpace((_says(kind, meaning),))


def _each(kind: str, things: Sequence[Thing]) -> TextSpace:
    return TextSpace(tuple(_says(kind, thing_meaning(thing)) for thing in things))


def _says(kind: str, meaning: Meaning) -> Forms:
    return expand(ANSWERS[kind], meaning)


TRUE_OR_NOT = SentenceParser(ANSWERS)
"""Knows the sentences of answers, whether they are true of a scene or not."""


def recognise_answer(sentence: str) -> Sentence | None:
    """The meaning of a sentence of an answer, true or not, its kind a key of `ANSWERS`."""
    return TRUE_OR_NOT(sentence)
