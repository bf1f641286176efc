"""False facts: tokens that state a fact, and those that would state a false one in its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import torch
from torch import Tensor

_Facts = list[tuple[int, int, int]]
"""The kind, the place and the token of each fact of a sentence, kind by kind."""


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
        self.stops = frozenset(stops)
        self._contradicts = {token: frozenset(others) for token, others in false.items()}
        self._kind = _kinds(self._contradicts)
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
        """Responses of which some sentences state, in their own words, the facts of an earlier one:
        the mistake of a decoder that begins two sentences side by side.

        Two sentences are alike if they state as many facts of each kind, words that contradict one
        another being of a kind. The n-th fact of a kind becomes the n-th of the other sentence;
        words that mean the same stay.

        Args:
            target: right responses, int64 [B, R].
            rate: with which probability a sentence that is like some before it, repeats one of
                them.

        Returns:
            int64 [B, R].

        Examples:
            >>> facts = FactVocabulary({3: [4], 4: [3], 5: [6], 6: [5]}, size=9, stops=[8])
            >>> facts.repeated_tokens(torch.tensor([[3, 5, 8, 6, 7, 4, 8]]), 1.0).tolist()
            [[3, 5, 8, 5, 7, 3, 8]]
        """
        repeated = target.clone()
        for row in repeated:
            told: list[_Facts] = []
            for facts in self._sentences(row.tolist()):
                alike = [other for other in told if _kinds_of(other) == _kinds_of(facts)]
                told.append(facts)
                if alike and float(torch.rand(1)) < rate:
                    again = alike[int(torch.randint(len(alike), (1,)))]
                    for (_, place, token), (_, _, other) in zip(facts, again, strict=True):
                        if other in self._contradicts.get(token, ()):
                            row[place] = other
        return repeated

    def _sentences(self, tokens: Sequence[int]) -> Iterator[_Facts]:
        """The facts of each sentence that states some."""
        facts: _Facts = []
        for place, token in enumerate(tokens):
            if token in self._kind:
                facts.append((self._kind[token], place, token))
            if token in self.stops:
                if facts:
                    yield sorted(facts)
                facts = []


def _kinds_of(facts: _Facts) -> list[int]:
    return [kind for kind, _, _ in facts]


def _kinds(contradicts: Mapping[int, Collection[int]]) -> dict[int, int]:
    """A number for each fact, the same for those that are linked by contradictions."""
    kinds: dict[int, int] = {}
    for token in contradicts:
        if token not in kinds:
            linked = [token]
            while linked:
                fact = linked.pop()
                kinds[fact] = token
                linked += [other for other in contradicts.get(fact, ()) if other not in kinds]
    return kinds
