"""How captions of the embedded world are written.

One table of sentence forms serves three readers of it: the writer (`write_caption`) draws random
paths through the forms, the recogniser (`rediff.scenes.sentence_parser`) matches a sentence against
them, and the oracle (`rediff.scenes.oracle`) searches them for the caption nearest to a draft.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping

import numpy as np

from rediff.scenes.templates import (
    PICTURES,
    PLACES,
    SYNONYMS,
    VERBS,
    Meaning,
    Words,
    expand,
    literal_words,
    write_first,
    write_sentence,
)
from rediff.scenes.text_space import TextSpace
from rediff.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    COLUMNS,
    MAX_THINGS,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
    Thing,
)

MIN_WORDS, MAX_WORDS = 45, 79
"""Length of a written caption, punctuation counted. With its end-of-turn it fits a canvas of 80."""
MAX_RELATIONS = 2
NUMBERS = ("none", "one", "two", "three", "four")
COUNTS: Mapping[int, str] = {n: NUMBERS[n] for n in (3, 4)}
"""How many things a scene may have."""

THING_FORMS = (
    "{place} {verb} a {look} {shape} .",
    "a {size} {colour} {shape} with a {texture} (pattern|surface) {verb} {place} .",
    "there is a {texture} {colour} {shape} {place} , and it is {size} .",
    "(one can see|we find|notice) a {size} {colour} {shape} {place} , all {texture} .",
    "the {shape} {place} is {size} , {texture} and {colour} .",
    "{place} is a {shape} that looks {colour} , {texture} and {size} .",
    "a {colour} {shape} , {size} and {texture} , {verb} {place} .",
    "look {place} for a {texture} {shape} in {colour} , (rather|quite) {size} .",
    "{place} {verb} something {size} and {texture} , a {colour} {shape} .",
    "a {shape} of {size} size {verb} {place} , painted {texture} {colour} .",
    "painted {colour} and {texture} , a {size} {shape} {verb} {place} .",
    "{size} and {colour} , the {shape} {place} has a {texture} (pattern|surface) .",
)
OPENING_FORMS = (
    "the {picture} shows {count} (shapes|figures) on a {background} background .",
    "(here are|we see) {count} (shapes|figures) in front of a {background} background .",
    "on a {background} background there are {count} (shapes|figures) .",
    "{count} (shapes|figures) share a {background} {picture} .",
)
RELATION_FORMS = (
    "the {shape} is {relation} the {other} .",
    "{relation} the {other} (one finds|we see) the {shape} .",
    "the {shape} {verb} {relation} the {other} .",
)
CLOSING_FORMS = (
    "nothing else (can be seen|is there) .",
    "(these|those) are all the (shapes|figures) .",
)
FORMS: Mapping[str, Words] = {
    "opening": OPENING_FORMS,
    "thing": THING_FORMS,
    "relation": RELATION_FORMS,
    "closing": CLOSING_FORMS,
}
PLAIN_FORM = "a {size} {texture} {colour} {shape} at the {row} {column} ."


@functools.cache
def vocabulary() -> Words:
    """Every word and punctuation mark that a caption can hold, sorted."""
    values = {*SHAPES, *COLOURS, *SIZES, *TEXTURES, *BACKGROUNDS, *COLUMNS, *VERBS, *PICTURES}
    values |= {*COUNTS.values(), *itertools.chain.from_iterable(SYNONYMS.values())}
    values |= literal_words((*itertools.chain.from_iterable(FORMS.values()), *PLACES))
    return tuple(sorted({word for value in values for word in value.split()}))


def thing_meaning(thing: Thing) -> dict[str, str]:
    """The slot fillers of a sentence about one thing."""
    return {
        "shape": thing.shape,
        "colour": thing.colour,
        "size": thing.size,
        "texture": thing.texture,
        "row": thing.row,
        "column": thing.column,
    }


def scene_meaning(scene: Scene) -> dict[str, str]:
    """The slot fillers of an opening sentence."""
    return {"count": COUNTS[len(scene.things)], "background": scene.background}


def relation_meaning(relation: tuple[str, str, str]) -> dict[str, str]:
    """The slot fillers of a relation sentence."""
    shape, name, other = relation
    return {"shape": shape, "relation": name, "other": other}


def caption_space(scene: Scene) -> TextSpace:
    """All captions that `write_caption` can write, and some with other numbers of relations."""
    relations = map(relation_meaning, sorted(scene.pairwise()))
    return TextSpace(
        first=expand(OPENING_FORMS, scene_meaning(scene)),
        each=tuple(expand(THING_FORMS, thing_meaning(thing)) for thing in scene.things),
        some=[form for meaning in relations for form in expand(RELATION_FORMS, meaning)],
        most=MAX_RELATIONS,
        last=expand(CLOSING_FORMS, {}),
    )


def write_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A random true caption of `MIN_WORDS` to `MAX_WORDS` words, words separated by single spaces.

    An opening, then in random order a sentence for each thing and up to two true relations (one
    fewer where there are four things), and half the time a closing. Captions of another length
    are drawn again.

    Args:
        scene: to describe.
        rng: draws the plan and the wording.
    """
    relations = sorted(scene.pairwise())
    things: list[tuple[str, Meaning]] = [("thing", thing_meaning(thing)) for thing in scene.things]
    while True:
        stated = int(rng.integers(2)) + MAX_THINGS - len(things)
        picked = rng.permutation(len(relations))[:stated]
        body = things + [("relation", relation_meaning(relations[i])) for i in picked]
        plan = [("opening", scene_meaning(scene)), *(body[i] for i in rng.permutation(len(body)))]
        if rng.random() < 0.5:
            plan.append(("closing", {}))
        words = [w for kind, meaning in plan for w in write_sentence(FORMS[kind], meaning, rng)]
        if MIN_WORDS <= len(words) <= MAX_WORDS:
            return " ".join(words)


def write_thing(meaning: Meaning, rng: np.random.Generator) -> str:
    """A sentence about a thing, in any of the forms and wordings of captions.

    Args:
        meaning: of the thing, see `thing_meaning`.
        rng: draws the form and the words.
    """
    return " ".join(write_sentence(THING_FORMS, meaning, rng))


def write_plainly(meaning: Meaning) -> str:
    """The plainest sentence about a thing, always in the same words and order."""
    return write_first(PLAIN_FORM, meaning)
