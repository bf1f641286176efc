"""The words of the embedded world that state facts, and the false ones that could replace them."""

from __future__ import annotations

from rediff.models.checkpoint import Checkpoint
from rediff.scenes.answers import question_words
from rediff.scenes.grammar import NUMBERS, vocabulary
from rediff.scenes.templates import SYNONYMS
from rediff.scenes.world import COLOURS, COLUMNS, ROWS, SHAPES, SIZES, TEXTURES
from rediff.training.facts import FactVocabulary

FACTS_OF_THINGS = (SHAPES, COLOURS, SIZES, TEXTURES, ROWS, COLUMNS)
FACTS = (*FACTS_OF_THINGS, ("above", "below"))
"""The categories of words that state a fact; a false fact is another word of its category. The
words of the other relations, left and right, are columns."""
FACTS_OF_ANSWERS = (NUMBERS, ("yes", "no"))
"""The same of answers to questions, for models that know their words. They count at every
position, so that "one can see" may become "two can see"."""


def fact_vocabulary(checkpoint: Checkpoint) -> FactVocabulary:
    """The facts of the scenes in the ids of a tokenizer.

    Raises ValueError if the tokenizer does not have one token for each word of the scenes.
    """
    ids = checkpoint.tokenizer.get_vocab()
    missing = sorted(set(vocabulary()) - ids.keys())
    if missing:
        raise ValueError(
            f"the tokenizer has no single token for {len(missing)} words of the scenes, e.g."
            f" {', '.join(missing[:5])}"
        )
    asked = FACTS_OF_ANSWERS if set(question_words()) <= ids.keys() else ()
    false: dict[int, list[int]] = {}
    for category in (*FACTS, *asked):
        aliases = {word: [a for a in SYNONYMS.get(word, [word]) if a in ids] for word in category}
        for word in category:
            others = [ids[a] for w in category if w != word for a in aliases[w]]
            false |= {ids[alias]: others for alias in aliases[word]}
    return FactVocabulary(false, size=len(checkpoint.tokenizer), stops=[ids["."]])
