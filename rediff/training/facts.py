"""False facts: words of the embedded world that could stand in each other's place."""

from __future__ import annotations

import torch
from torch import Tensor

from rediff.models.checkpoint import Checkpoint
from rediff.scenes.answers import question_words
from rediff.scenes.templates import SYNONYMS
from rediff.scenes.grammar import NUMBERS
from rediff.scenes.grammar import vocabulary as words_of_scenes
from rediff.scenes.world import COLOURS, COLUMNS, ROWS, SHAPES, SIZES, TEXTURES

FACTS = (SHAPES, COLOURS, SIZES, TEXTURES, ROWS, COLUMNS)
"""The categories of words that state a fact; a false fact is another word of its category."""
FACTS_OF_ANSWERS = (NUMBERS, ("yes", "no"))
"""The same of answers to questions, for models that know their words; wherever a word stands, so
that "one can see" may become "two can see"."""


class FactTable:
    """Which token ids state facts, and which false ones could stand in their place.

    Raises ValueError if the tokenizer has not one token for each word of the scenes.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        vocabulary = checkpoint.tokenizer.get_vocab()
        missing = sorted(set(words_of_scenes()) - vocabulary.keys())
        if missing:
            raise ValueError(
                f"the tokenizer has no single token for {len(missing)} words of the scenes, e.g."
                f" {', '.join(missing[:5])}"
            )
        asked = FACTS_OF_ANSWERS if set(question_words()) <= vocabulary.keys() else ()
        rows: dict[int, list[int]] = {}
        for category in (*FACTS, *asked):
            aliases = {word: SYNONYMS.get(word, (word,)) for word in category}
            for word in category:
                others = [vocabulary[a] for w in category if w != word for a in aliases[w]]
                rows |= {vocabulary[alias]: others for alias in aliases[word]}
        self.is_fact = torch.zeros(len(checkpoint.tokenizer), dtype=torch.bool)
        self.is_fact[list(rows)] = True
        self._false = torch.arange(len(checkpoint.tokenizer))[:, None].repeat(
            1, max(map(len, rows.values()))
        )
        for token, others in rows.items():
            width = self._false.size(1)
            self._false[token] = torch.tensor((others * width)[:width])

    def swaps(self, target: Tensor) -> Tensor:
        """A false fact for each token of `target` (any shape) that states one, else the token."""
        column = torch.randint(self._false.size(1), target.shape)
        return self._false[target, column]
