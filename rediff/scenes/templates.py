"""Forms: how sentences of the embedded world are written down as lines of words and slots.

`(a|b c)` in a form chooses between word sequences, `{name}` is filled from the sentence's meaning,
in any of its paraphrases.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")
Words = tuple[str, ...]
Slot = tuple[Words, ...]
"""The word sequences that are allowed at one point of a sentence."""
Form = tuple[Slot, ...]
"""A sentence with its slots filled."""
Meaning = Mapping[str, str]
"""The slot fillers of a sentence, in canonical words."""

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
CANONICAL = {alias: word for word, aliases in SYNONYMS.items() for alias in aliases}
"""The fact that each paraphrase states."""
VERBS = ("sits", "stands", "lies", "rests")
PLACES = (
    "at the {row} {column}",
    "in the {row} {column} area",
    "in the {row} row on the {column}",
    "on the {column} of the {row} row",
    "near the {row} {column} of the {picture}",
)
PICTURES = ("picture", "image", "drawing")
PARTS: Mapping[str, Words] = {
    "place": ("row", "column"),
    "look": ("size", "texture", "colour"),
    "verb": (),
    "picture": (),
}
"""Which parts of a meaning a slot speaks of, where it is not the part of its own name."""
LIST = "shapes"
"""A slot for several things, in any order; its filler is their words one after another."""

_PIECE = re.compile(r"\{(\w+)\}|\(([^)]*)\)|(\S+)")


def canonical(word: str) -> str:
    """The fact that a paraphrase states: `upper` -> `top`; other words are returned as they are."""
    return CANONICAL.get(word, word)


@functools.cache
def pieces(line: str) -> tuple[tuple[str, str, str], ...]:
    """A form's pieces as (slot name, choices, word), two of the three empty."""
    return tuple(_PIECE.findall(line))


def literal_words(lines: Iterable[str]) -> set[str]:
    """The words that forms themselves bring, without those of their slots."""
    found = set()
    for line in lines:
        for _, choices, literal in pieces(line):
            found |= {literal} if literal else set(choices.replace("|", " ").split())
    return found


def expand(lines: Iterable[str], meaning: Meaning) -> list[Form]:
    """Every form with its slots filled by the paraphrases of `meaning`."""
    return [tuple(_slots(line, meaning)) for line in lines]


def write_sentence(lines: Words, meaning: Meaning, rng: np.random.Generator) -> list[str]:
    """One random sentence, as words.

    Args:
        lines: the forms to choose from.
        meaning: the slot fillers of a form.
        rng: draws form and wording.
    """
    return spell(tuple(_slots(pick(lines, rng), meaning)), rng)


def spell(form: Form, rng: np.random.Generator) -> list[str]:
    """One random way through a form, as words."""
    return [word for slot in form for word in pick(slot, rng)]


def pick(values: Sequence[Choice], rng: np.random.Generator) -> Choice:
    """One of some values, each as likely."""
    return values[int(rng.integers(len(values)))]


def write_first(line: str, meaning: Meaning) -> str:
    """The sentence of a form in which each slot has its first paraphrase."""
    return " ".join(word for slot in _slots(line, meaning) for word in slot[0])


def _slots(line: str, meaning: Meaning) -> Iterator[Slot]:
    for name, choices, literal in pieces(line):
        if literal:
            yield ((literal,),)
        elif choices:
            yield tuple(tuple(choice.split()) for choice in choices.split("|"))
        else:
            yield _paraphrases(name, *(meaning[part] for part in PARTS.get(name, (name,))))


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
    if name == LIST:
        return tuple(map(_listed, itertools.permutations(values[0].split())))
    return tuple(tuple(alias.split()) for alias in SYNONYMS.get(values[0], values))


def _listed(shapes: Words) -> Words:
    """`a , the b and the c`: an article comes before the slot."""
    *before, last = shapes
    text = " , the ".join(before)
    return tuple(f"{text} and the {last}".split()) if before else (last,)


def _paths(slots: Iterable[Slot]) -> Iterator[Words]:
    """Every way through the slots, as one word sequence each."""
    for path in itertools.product(*slots):
        yield tuple(itertools.chain.from_iterable(path))
