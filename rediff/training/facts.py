"""False facts: tokens that state a fact, and those that would state a false one in its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import torch
from torch import Tensor


class FactVocabulary:
    """Which token ids state facts, and which false ones could replace them.

    `false`: the false ids for each id that states a fact. `size`: ids of the vocabulary.
    `stops`: ids that end a sentence.

    Examples:
        >>> facts = FactVocabulary({3: [4]}, size=5)
        >>> facts.hallucinated_tokens(torch.tensor([2, 3])).tolist()
        [2, 4]
    """

    def __init__(
        self, false: Mapping[int, Sequence[int]], *, size: int, stops: Collection[int] = ()
    ) -> None:
        self._stops = frozenset(stops)
        self._contradicts = {token: frozenset(others) for token, others in false.items()}
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

    def repeated_tokens(self, target: Tensor, rate: float) -> Tensor:
        """Responses of which some sentences state the facts of an earlier sentence, in their own
        words: what a decoder writes that begins two sentences side by side.

        Args:
            target: right responses, int64 [B, R].
            rate: with which probability a sentence after the first one tells again what one of
                those before it tells.

        Returns:
            int64 [B, R]; a token of such a sentence that states a fact is the one that contradicts
            it in the other sentence, if there is one.

        Examples:
            >>> facts = FactVocabulary({3: [4], 4: [3], 5: [6], 6: [5]}, size=9, stops=[8])
            >>> facts.repeated_tokens(torch.tensor([[3, 5, 8, 6, 7, 4, 8]]), 1.0).tolist()
            [[3, 5, 8, 5, 7, 3, 8]]
        """
        repeated = target.clone()
        for row in repeated:
            tokens = row.tolist()
            sentences = list(self._sentences(tokens))
            for number in range(1, len(sentences)):
                if float(torch.rand(1)) < rate:
                    told = tokens[sentences[int(torch.randint(number, (1,)))]]
                    own = tokens[sentences[number]]
                    row[sentences[number]] = torch.tensor([self._as_told(t, told) for t in own])
        return repeated

    def _sentences(self, tokens: Sequence[int]) -> Iterator[slice]:
        start = 0
        for place, token in enumerate(tokens):
            if token in self._stops:
                yield slice(start, place + 1)
                start = place + 1

    def _as_told(self, token: int, told: Sequence[int]) -> int:
        """The first token of a sentence that contradicts this one, else this one."""
        false = self._contradicts.get(token, ())
        return next((other for other in told if other in false), token)
