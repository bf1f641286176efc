"""Reads captions of the embedded world back into facts, also broken ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rediff.scenes.sentence_parser import Sentence, recognise
from rediff.scenes.templates import SYNONYMS, canonical
from rediff.scenes.world import (
    AT,
    BACKGROUND,
    BACKGROUNDS,
    COLUMNS,
    QUALITIES,
    RELATIONS,
    ROWS,
    SHAPES,
    Graph,
)

_RELATION_PATTERNS = {
    name: re.compile(rf"\b(?:{'|'.join(SYNONYMS[name])})\b") for name in RELATIONS
}


def tokenize(text: str) -> list[str]:
    """Lower-case words and punctuation marks, whatever the spacing."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def split_sentences(text: str) -> list[str]:
    """Sentences with single spaces, each with its final period if it had one."""
    sentences: list[list[str]] = [[]]
    for word in tokenize(text):
        sentences[-1].append(word)
        if word == ".":
            sentences.append([])
    return [" ".join(words) for words in sentences if words]


def read_caption(text: str) -> Graph:
    """The facts that a caption states.

    A grammatical sentence is read exactly. Any other is read as a patient reader would: each
    shape named is an object; a quality belongs to the shape nearest to it (the later
    one of two equally near); a row and a column word make a place of the nearest shape; a
    relation word between two shapes relates them. Contradictions are all kept, as statements.
    """
    objects: set[str] = set()
    attributes: set[tuple[str, str]] = set()
    relations: set[tuple[str, str, str]] = set()
    for sentence in split_sentences(text):
        graph = _read_exactly(sentence) or _read_loosely(sentence)
        objects |= graph.objects
        attributes |= graph.attributes
        relations |= graph.relations
    return Graph(frozenset(objects), frozenset(attributes), frozenset(relations))


def fluency(text: str, known: Callable[[str], Sentence | None] = recognise) -> float:
    """Share of the sentences that the grammar accepts, in [0, 1].

    Args:
        text: a caption; of an empty one the share is 0.
        known: reads one sentence, or says None.
    """
    sentences = split_sentences(text)
    return sum(known(s) is not None for s in sentences) / len(sentences) if sentences else 0.0


def _read_exactly(sentence: str) -> Graph | None:
    parsed = recognise(sentence)
    if parsed is None:
        return None
    filled = parsed.filled
    if parsed.kind == "opening":
        return Graph(attributes=frozenset({(BACKGROUND, filled["background"])}))
    if parsed.kind == "relation":
        return Graph(
            objects=frozenset({filled["shape"], filled["other"]}),
            relations=frozenset({(filled["shape"], filled["relation"], filled["other"])}),
        )
    if parsed.kind == "thing":
        shape = filled["shape"]
        return Graph(
            objects=frozenset({shape}),
            attributes=frozenset((shape, filled[part]) for part in ("colour", "size", "texture")),
            relations=frozenset({(shape, AT, f"{filled['row']} {filled['column']}")}),
        )
    return Graph()


def _read_loosely(sentence: str) -> Graph:
    words = [canonical(word) for word in sentence.split()]
    shapes = [(i, word) for i, word in enumerate(words) if word in SHAPES]
    attributes = {(BACKGROUND, word) for word in words if word in BACKGROUNDS}
    relations: set[tuple[str, str, str]] = set()
    if shapes:
        attributes |= {
            (_nearest(shapes, i), word) for i, word in enumerate(words) if word in QUALITIES
        }
        relations = set(_stated_relations(sentence))
        if not relations:
            relations = {
                (_nearest(shapes, i), AT, f"{row} {column}") for i, row, column in _places(words)
            }
    return Graph(frozenset(s for _, s in shapes), frozenset(attributes), frozenset(relations))


def _nearest(marks: list[tuple[int, str]], position: int) -> str:
    return min(marks, key=lambda mark: (abs(mark[0] - position), -mark[0]))[1]


def _places(words: list[str]) -> Iterator[tuple[int, str, str]]:
    """Each row word with the column word nearest to it, and the position of the row word."""
    columns = [(i, word) for i, word in enumerate(words) if word in COLUMNS]
    if columns:
        for i, word in enumerate(words):
            if word in ROWS:
                yield i, word, _nearest(columns, i)


def _stated_relations(sentence: str) -> Iterator[tuple[str, str, str]]:
    """Relation words with a shape on either side, or with both shapes after them."""
    spans = [(m.start(), m.end(), m.group()) for m in re.finditer("|".join(SHAPES), sentence)]
    for name, pattern in _RELATION_PATTERNS.items():
        for match in pattern.finditer(sentence):
            before = [shape for _, end, shape in spans if end < match.start()]
            after = [shape for start, _, shape in spans if start > match.end()]
            if before and after:
                yield before[-1], name, after[0]
            elif len(after) > 1:
                yield after[1], name, after[0]
