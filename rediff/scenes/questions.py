"""Questions about scenes and instructions to describe parts of them: how they are asked and read.

A question is a kind with its slot fillers. `ASKS` says how each kind is asked, `FOLLOW_UPS` and
`AGAIN` how it is asked about the last topic. The result of `read_question` on a dialogue's
text is enough to say all true answers (`rediff.scenes.answers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rediff.scenes.parser import tokenize
from rediff.scenes.sentence_parser import SentenceParser
from rediff.scenes.templates import Meaning, Words
from rediff.scenes.world import SHAPES

ASKS: Mapping[str, Words] = {
    "count": ("how many (shapes|figures) are there ?", "count the (shapes|figures) ."),
    "count-of": (
        "how many (shapes|figures) are {quality} ?",
        "how many {quality} (shapes|figures) are there ?",
    ),
    "background": (
        "what colour is the background ?",
        "what is the colour of the background ?",
    ),
    "colour": ("what colour is the {shape} ?", "what is the colour of the {shape} ?"),
    "size": ("what size is the {shape} ?", "what is the size of the {shape} ?"),
    "texture": ("what texture has the {shape} ?", "what is the texture of the {shape} ?"),
    "place": ("where is the {shape} ?", "where can one see the {shape} ?"),
    "exists": ("is there a {shape} ?", "can one see a {shape} ?"),
    "has": ("is the {shape} {quality} ?",),
    "holds": ("is the {shape} {relation} the {other} ?",),
    "related": (
        "what is {relation} the {other} ?",
        "which (shapes|figures) are {relation} the {other} ?",
    ),
    "at": ("what is {place} ?", "which (shape|figure) is {place} ?"),
    "which": ("which (shape|figure) is {quality} ?", "what is {quality} ?"),
    "describe": ("describe the {shape} .", "what does the {shape} look like ?"),
    "describe-both": ("describe the {shape} and the {other} .",),
    "describe-all": (
        "describe all {quality} (shapes|figures) .",
        "describe every {quality} (shape|figure) .",
    ),
    "colours": (
        "name the (shapes|figures) and their colours .",
        "what are the colours of the (shapes|figures) ?",
    ),
    "places": ("where are the (shapes|figures) ?", "say where everything is ."),
}
FOLLOW_UPS: Mapping[str, Words] = {
    "colour": ("what colour is it ?", "and its colour ?"),
    "size": ("what size is it ?", "and its size ?"),
    "texture": ("what texture has it ?", "and its texture ?"),
    "place": ("where is it ?", "and its place ?"),
    "has": ("is it {quality} ?",),
    "holds": ("is it {relation} the {other} ?",),
    "describe": ("describe it .", "what does it look like ?"),
}
"""Questions about the shape that was last spoken of."""
AGAIN = ("and the {shape} ?", "what about the {shape} ?")
"""The last question once more, about another shape."""
REPEATED = frozenset({"colour", "size", "texture", "place", "describe"})
"""Kinds that can be asked once more so."""

_FIRST, _FOLLOWING = SentenceParser(ASKS), SentenceParser(FOLLOW_UPS)
_REPEATING = SentenceParser({"again": AGAIN})


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of `ASKS` with its slot fillers in canonical words."""

    kind: str
    filled: Meaning


def read_question(said: Sequence[str]) -> Question | None:
    """The question that a dialogue ends with, or None for one that is not known.

    `said`: questions and answers in turn, a question first and last. A follow-up is read as the
    question that it means, "it" being the topic that `spoken_of` gives.
    """
    *earlier, last = said
    text = " ".join(tokenize(last))
    if found := _FIRST(text):
        return Question(found.kind, found.filled)
    before = read_question(earlier[:-1]) if earlier else None
    if before is None:
        return None
    if found := _REPEATING(text):
        changed = {**before.filled, **found.filled}
        return replace(before, filled=changed) if before.kind in REPEATED else None
    found, shape = _FOLLOWING(text), spoken_of(before, earlier[-1])
    if found is None or shape is None:
        return None
    return Question(found.kind, {**found.filled, "shape": shape})


def spoken_of(question: Question, reply: str) -> str | None:
    """The shape that a question is about, or else the only one that its answer names."""
    if "shape" in question.filled:
        return question.filled["shape"]
    named = {word for word in tokenize(reply) if word in SHAPES}
    return named.pop() if len(named) == 1 else None
