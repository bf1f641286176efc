"""How captions of the embedded world are written.

One table of sentence forms serves three readers of it: the writer (`write_caption`) draws random
paths through the forms, the recogniser (`rediff.scenes.recogniser`) matches a sentence against
them, and the oracle (`rediff.scenes.oracle`) searches them for the caption nearest to a draft.

A form is a line of words and slots. `(a|b c)` chooses between word sequences, `{name}` is filled
from the sentence's meaning, in any of its paraphrases.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

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

Words = tuple[str, ...]
Slot = tuple[Words, ...]
"""The word sequences that may stand at one point of a sentence."""

MIN_WORDS, MAX_WORDS = 45, 79
"""Length of a written caption, punctuation counted. With its end-of-turn it fits a canvas of 80."""

SYNONYMS: Mapping[str, Words] = {
    "small": ("small", "little", "tiny"),
    "large": ("large", "big", "huge"),
    "plain": ("plain", "solid"),
    "striped": ("striped",),
    "dotted": ("dotted", "spotted"),
    "top": ("top", "upper"),
    "middle": ("middle", "central"),
    "bottom": ("bottom", "lower"),
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over", "higher than"),
    "below": ("below", "under", "lower than"),
}
COUNTS: Mapping[int, str] = {3: "three", 4: "four"}
VERBS = ("sits", "stands", "lies", "rests")
PLACES = (
    "at the {row} {column}",
    "in the {row} {column} area",
    "in the {row} row on the {column}",
    "on the {column} of the {row} row",
    "near the {row} {column} of the {picture}",
)
PICTURES = ("picture", "image", "drawing")

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
FORMS: Mapping[str, tuple[str, ...]] = {
    "opening": OPENING_FORMS,
    "thing": THING_FORMS,
    "relation": RELATION_FORMS,
    "closing": CLOSING_FORMS,
}

_PIECE = re.compile(r"\{(\w+)\}|\(([^)]*)\)|(\S+)")


def canonical(word: str) -> str:
    """The fact behind a paraphrase: `upper` -> `top`; other words are returned as they are."""
    return _canonical_words().get(word, word)


@functools.cache
def _canonical_words() -> Mapping[str, str]:
    return {alias: word for word, aliases in SYNONYMS.items() for alias in aliases}


@functools.cache
def vocabulary() -> Words:
    """Every word and punctuation mark that a caption can hold, sorted."""
    values = {*SHAPES, *COLOURS, *SIZES, *TEXTURES, *BACKGROUNDS, *COLUMNS, *VERBS, *PICTURES}
    values |= {*COUNTS.values(), *itertools.chain.from_iterable(SYNONYMS.values())}
    for line in (*itertools.chain.from_iterable(FORMS.values()), *PLACES):
        for _, choices, literal in pieces(line):
            values |= {literal} if literal else set(choices.split("|"))
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


def expand(kind: str, meaning: Mapping[str, str]) -> list[tuple[Slot, ...]]:
    """Every form of `kind` with its slots filled by the paraphrases of `meaning`."""
    return [tuple(_slots(line, meaning)) for line in FORMS[kind]]


@functools.cache
def pieces(line: str) -> tuple[tuple[str, str, str], ...]:
    """A form's pieces as (slot name, choices, word), two of the three empty."""
    return tuple(_PIECE.findall(line))


def _slots(line: str, meaning: Mapping[str, str]) -> Iterator[Slot]:
    for name, choices, literal in pieces(line):
        if literal:
            yield ((literal,),)
        elif choices:
            yield tuple(tuple(choice.split()) for choice in choices.split("|"))
        else:
            yield _paraphrases(name, *(meaning[part] for part in PARTS.get(name, (name,))))


PARTS: Mapping[str, Words] = {
    "place": ("row", "column"),
    "look": ("size", "texture", "colour"),
    "verb": (),
    "picture": (),
}
"""Which parts of a meaning a slot speaks of, where it is not the part of its own name."""


@functools.cache
def _paraphrases(name: str, *values: str) -> Slot:
    if name in ("verb", "picture"):
        return tuple((word,) for word in {"verb": VERBS, "picture": PICTURES}[name])
    if name == "place":
        meaning = dict(zip(PARTS["place"], values, strict=True))
        return tuple(path for line in PLACES for path in _paths(_slots(line, meaning)))
    if name == "look":
        parts = [_paraphrases(part, value) for part, value in zip(PARTS[name], values, strict=True)]
        return tuple(path for order in itertools.permutations(parts) for path in _paths(order))
    return tuple(tuple(alias.split()) for alias in SYNONYMS.get(values[0], values))


def _paths(slots: Iterable[Slot]) -> Iterator[Words]:
    """Every way through the slots, as one word sequence each."""
    for path in itertools.product(*slots):
        yield tuple(itertools.chain.from_iterable(path))


def write_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A random true caption of `MIN_WORDS` to `MAX_WORDS` words, words separated by single spaces.

    An opening, then in random order a sentence for each thing and up to two true relations (one
    fewer where there are four things), and half the time a closing. Captions of another length
    are drawn again.
    """
    relations = sorted(scene.pairwise())
    things: list[tuple[str, dict[str, str]]] = [
        ("thing", thing_meaning(thing)) for thing in scene.things
    ]
    while True:
        stated = int(rng.integers(2)) + MAX_THINGS - len(things)
        picked = rng.permutation(len(relations))[:stated]
        body = things + [("relation", relation_meaning(relations[i])) for i in picked]
        plan = [("opening", scene_meaning(scene)), *(body[i] for i in rng.permutation(len(body)))]
        if rng.random() < 0.5:
            plan.append(("closing", {}))
        words = [word for kind, meaning in plan for word in write_sentence(kind, meaning, rng)]
        if MIN_WORDS <= len(words) <= MAX_WORDS:
            return " ".join(words)


def relation_meaning(relation: tuple[str, str, str]) -> dict[str, str]:
    """The slot fillers of a relation sentence."""
    shape, name, other = relation
    return {"shape": shape, "relation": name, "other": other}


def write_sentence(kind: str, meaning: Mapping[str, str], rng: np.random.Generator) -> list[str]:
    """One random sentence of the kind, as words."""
    line = FORMS[kind][rng.integers(len(FORMS[kind]))]
    return [word for slot in _slots(line, meaning) for word in slot[rng.integers(len(slot))]]


PLAIN_FORM = "a {size} {texture} {colour} {shape} at the {row} {column} ."


def write_plainly(meaning: Mapping[str, str]) -> str:
    """The plainest sentence about a thing, always in the same words and order."""
    return " ".join(word for slot in _slots(PLAIN_FORM, meaning) for word in slot[0])
