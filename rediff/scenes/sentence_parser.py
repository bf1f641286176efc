"""The sentences that the grammar allows, and their meaning."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rediff.scenes.grammar import COUNTS, FORMS, NUMBERS
from rediff.scenes.templates import (
    LIST,
    PICTURES,
    PLACES,
    SYNONYMS,
    VERBS,
    Words,
    canonical,
    pieces,
)
from rediff.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    COLUMNS,
    QUALITIES,
    RELATIONS,
    ROWS,
    SHAPES,
    SIZES,
    TEXTURES,
    sort_of,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A recognised sentence: its kind and the words that filled its slots.

    Words are canonical (`tiny` is read as `small`); a place fills `row` and `column`.
    """

    kind: str
    filled: Mapping[str, str]


@dataclass(frozen=True)
class SentenceParser:
    """Knows the sentences of a table of forms by kind; its patterns are made at the first one."""

    forms: Mapping[str, Words]

    @functools.cached_property
    def patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [
            (kind, re.compile(" ".join(_regex(line))))
            for kind, lines in self.forms.items()
            for line in lines
        ]

    def __call__(self, sentence: str) -> Sentence | None:
        """The meaning of a sentence (its final mark included), or None if no form allows it."""
        for kind, pattern in self.patterns:
            if match := pattern.fullmatch(sentence):
                return Sentence(kind, dict(_read_groups(match.groupdict())))
        return None


CAPTIONS = SentenceParser(FORMS)
"""Knows the sentences of captions."""


def recognise(sentence: str) -> Sentence | None:
    """The meaning of a caption's sentence, its kind a key of `FORMS`."""
    return CAPTIONS(sentence)


def _read_groups(groups: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    for name, text in groups.items():
        if text is None or name in ("verb", "picture"):
            continue
        if name == "place":
            words = [canonical(word) for word in text.split()]
            yield "row", next(word for word in words if word in ROWS)
            yield "column", next(word for word in words if word in COLUMNS)
        elif name == "look":
            for word in map(canonical, text.split()):
                yield sort_of(word), word
        else:
            yield name, canonical(text)


def _regex(line: str) -> Iterator[str]:
    for name, choices, literal in pieces(line):
        if literal:
            yield re.escape(literal)
        elif choices:
            yield f"(?:{choices})"
        else:
            yield f"(?P<{name}>{_value_regex(name)})"


def _value_regex(name: str) -> str:
    if name == "place":
        lines = (" ".join(_regex(line)) for line in PLACES)
        return re.sub(r"\?P<\w+>", "?:", "|".join(lines))
    if name == "look":
        parts = [f"(?:{_value_regex(part)})" for part in ("size", "texture", "colour")]
        return "|".join(" ".join(order) for order in itertools.permutations(parts))
    if name == LIST:
        shape = f"(?:{'|'.join(SHAPES)})"
        return f"{shape}(?: , the {shape})* and the {shape}"
    values: Mapping[str, Words] = {
        "shape": SHAPES,
        "other": SHAPES,
        "colour": COLOURS,
        "size": SIZES,
        "texture": TEXTURES,
        "row": ROWS,
        "column": COLUMNS,
        "background": BACKGROUNDS,
        "relation": RELATIONS,
        "count": tuple(COUNTS.values()),
        "verb": VERBS,
        "picture": PICTURES,
        "quality": QUALITIES,
        "true": QUALITIES,
        "number": NUMBERS[2:],
    }
    return "|".join(alias for value in values[name] for alias in SYNONYMS.get(value, (value,)))
