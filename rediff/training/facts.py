"""False facts: tokens that state a fact, and those that would state a false one in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class FactVocabulary:
    """Which token ids state facts, and which false ones could replace them.

    `false`: the false ids for each id that states a fact. `size`: ids of the vocabulary.

    Examples:
        >>> facts = FactVocabulary({3: [4]}, size=5)
        >>> facts.hallucinated_tokens(torch.tensor([2, 3])).tolist()
        [2, 4]
    """

    def __init__(self, false: Mapping[int, Sequence[int]], *, size: int) -> None:
        self.is_fact = torch.zeros(size, dtype=torch.bool)
        self.is_fact[list(false)] = True
        width = max(map(len, false.values()))
        self._false = torch.arange(size)[:, None].repeat(1, width)
        for token, others in false.items():
            self._false[token] = torch.tensor((list(others) * width)[:width])

    def hallucinated_tokens(self, target: Tensor) -> Tensor:
        """A random false fact for each id of `target` that states one, else the id itself."""
        column = torch.randint(self._false.size(1), target.shape)
        return self._false[target, column]
