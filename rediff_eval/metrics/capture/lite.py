"""`capture-lite`: captions read without a model and without a download.

A noun-phrase reader over WordNet's parts of speech. It replaces FACTUAL's parser where that
cannot be had, its numbers are others, and it is named differently everywhere.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rediff_eval.metrics.capture.graph import CaptionGraph, GraphBuilder
from rediff_eval.metrics.capture.lexicon import wordnet
from rediff_eval.metrics.capture.reading import stop_words


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLOSED = _words(
    "a an the this that these those some any each every another both all no its his her their our "
    "my your i he she it they we you who which what there here and or but nor so yet if as while "
    "where when is are was were be been being am has have had do does did can could may might must "
    "will would shall should not n't s very quite rather more most also just only too then than "
    "one two three four five six seven eight nine ten several many few lot lots"
)
"""Words that begin or end a phrase and state nothing by themselves."""
PREPOSITIONS = _words(
    "at in on of near by with under over above below behind beside besides between beneath against "
    "from to into onto off up down along across around through toward towards inside outside next "
    "front left right"
)
ARTICLES = _words("a an the")
COPULAS = _words("is are was were be looks appears seems")
_TOKEN = re.compile(r"\w+(?:[-']\w+)*|[^\w\s]")


class LiteParser:
    """Heads, the adjectives before them or after a copula, and the words that link two heads.

    In a run of content words the last noun is the head, words before it that can be adjectives
    are its attributes, and other nouns are part of its name ("brick wall"). A head takes the
    adjectives after "is" as well. The words between two heads of a sentence are a relation if a
    verb or a preposition is among them. CAPTURE's stop words are not objects.
    """

    name = "capture-lite"

    def parse(self, captions: Sequence[str]) -> list[CaptionGraph]:
        """A graph for each caption."""
        return [self._read(caption) for caption in captions]

    def _read(self, caption: str) -> CaptionGraph:
        graph = GraphBuilder()
        for sentence in re.split(r"[.!?;\n]+", caption.lower()):
            tokens = _TOKEN.findall(sentence)
            things = list(_things(tokens))
            for thing in things:
                if thing.head not in stop_words():
                    graph.add_object(thing.head)
                for word in thing.qualities:
                    graph.add_attribute(thing.head, word)
            for one, two in itertools.pairwise(things):
                between = tokens[one.end : two.start]
                if link := _link(between):
                    graph.add_relation((one.head, link, two.head))
        return graph.build()


@dataclass(frozen=True, slots=True)
class _Thing:
    start: int
    end: int
    head: str
    qualities: Sequence[str]


def _things(tokens: Sequence[str]) -> Iterator[_Thing]:
    """The noun phrases of a sentence."""
    place = 0
    while place < len(tokens):
        end = place
        while end < len(tokens) and _is_content(tokens, end):
            end += 1
        head = _head(tokens, place, end)
        if head is not None:
            start = _name_start(tokens, place, head)
            qualities = [w for w in tokens[place:start] if _is_adjective(w)]
            name = [*tokens[start:head], wordnet().lemma(tokens[head], "n")]
            said = _said_of(tokens, head + 1)
            yield _Thing(place, head + 1, " ".join(name), [*qualities, *said])
        place = max(end, place + 1)


def _head(tokens: Sequence[str], start: int, end: int) -> int | None:
    """The last noun of a run; one that can be an adjective only after an article."""
    nouns = [i for i in range(start, end) if _is_noun(tokens[i])]
    sure = [i for i in nouns if not _is_adjective(tokens[i])]
    behind_article = start > 0 and tokens[start - 1] in ARTICLES
    return next(reversed(sure or (nouns if behind_article else [])), None)


def _name_start(tokens: Sequence[str], start: int, head: int) -> int:
    """Where the head's name begins: nouns before it that are not adjectives belong to it."""
    while head > start and _is_noun(tokens[head - 1]) and not _is_adjective(tokens[head - 1]):
        head -= 1
    return head


def _said_of(tokens: Sequence[str], place: int) -> list[str]:
    """Adjectives after a copula that directly follows a head."""
    if place >= len(tokens) or tokens[place] not in COPULAS:
        return []
    said = []
    for word in tokens[place + 1 :]:
        if _is_adjective(word) and word not in PREPOSITIONS:
            said.append(word)
        elif word not in {",", "and", "very", "quite", "rather"}:
            break
    return said


def _is_content(tokens: Sequence[str], place: int) -> bool:
    """Whether a word can be part of a noun phrase."""
    word = tokens[place]
    if not word[0].isalpha() or word in CLOSED or word in PREPOSITIONS:
        return False
    verb_after_noun = _is_verb_form(word) and place > 0 and _is_noun(tokens[place - 1])
    return not verb_after_noun and (_is_noun(word) or _is_adjective(word))


def _is_noun(word: str) -> bool:
    lexicon = wordnet()
    return (
        word[0].isalpha()
        and word not in CLOSED
        and word not in PREPOSITIONS
        and lexicon.lemma(word, "n") in lexicon.sets["n"]
    )


def _is_adjective(word: str) -> bool:
    """Adjectives, and participles that are not nouns ("striped", "smiling")."""
    sets = wordnet().sets
    return word in sets["a"] or (_is_verb_form(word) and word.endswith(("ed", "ing")))


def _is_verb_form(word: str) -> bool:
    """A form of a verb that is not its base form: in captions the base form is mostly a noun."""
    lexicon = wordnet()
    base = lexicon.lemma(word, "v")
    return base != word and base in lexicon.sets["v"]


def _link(words: Sequence[str]) -> str:
    """The relation that the words between two heads state; empty if none."""
    stated = [w for w in words if w in PREPOSITIONS or _is_verb_form(w)]
    return "" if "," in words or "and" in words else " ".join(stated)
