"""The space of true texts about a scene: required sentences and optional ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rediff.scenes.templates import Form, pick, spell

Forms = Sequence[Form]
"""All ways to say one thing."""


@dataclass(frozen=True, slots=True)
class TextSpace:
    """The true texts about one thing: captions of a scene, or answers to a question.

    `first` opens the text, where there is one. Of each of `each` a sentence follows, in any order,
    with up to `most` sentences of `some` among them. `last` may close the text.
    """

    each: tuple[Forms, ...]
    first: Forms = ()
    some: Forms = ()
    most: int = 0
    last: Forms = ()

    def write(self, rng: np.random.Generator) -> str:
        """A random text of the required sentences alone, words separated by single spaces."""
        body = [self.each[i] for i in rng.permutation(len(self.each))]
        order = [self.first, *body] if self.first else body
        return " ".join(word for forms in order for word in spell(pick(forms, rng), rng))
