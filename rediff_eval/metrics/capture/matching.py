"""Matches between two lists of words: exact, by WordNet, by cosine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from rediff_eval.metrics.capture.lexicon import Lexicon
from rediff_eval.metrics.preset import OfficialCrashError

Item = TypeVar("Item")


class Encoder(Protocol):
    """Phrases as vectors whose cosine says how near they are."""

    name: str

    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        """Vectors [n, d] of any length."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """Pairs found (`hard`), and with the cosines of the rest, the matched share of either side."""

    hard: int
    candidate_side: float
    reference_side: float


class Matcher:
    """CAPTURE's matching (Dong et al. 2024, section 3.3).

    First equal items, then items that `are_synonyms`, one to one and greedily in the order of the
    lists. Of the rest each candidate's best cosine is added to its side, each reference's to
    the other. Vectors are kept, so a phrase is encoded once. `lexicon` or `encoder` None: without
    that step.
    """

    def __init__(self, lexicon: Lexicon | None, encoder: Encoder | None) -> None:
        self.lexicon = lexicon
        self.encoder = encoder
        self.vectors: dict[str, np.ndarray] = {}
        self.known: dict[tuple[str, str], bool] = {}

    def phrases(self, candidates: Sequence[str], references: Sequence[str]) -> Match:
        """Matches two lists of phrases."""
        return self._match(candidates, references, self.are_synonyms, lambda phrase: phrase)

    def relations(
        self, candidates: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
    ) -> Match:
        """Matches two lists of triples; synonyms in all three parts, cosines of joined parts."""
        return self._match(
            candidates,
            references,
            lambda one, two: all(map(self.are_synonyms, one, two)),
            " ".join,
        )

    def are_synonyms(self, one: str, two: str) -> bool:
        """`synonym_score` above 0."""
        found = self.known.get((one, two))
        if found is None:
            found = self.known[one, two] = self.synonym_score(one, two) > 0
        return found

    def synonym_score(self, one: str, two: str, *, eps: float = 1e-6) -> float:
        """1 where one phrase is part of the other, else the overlap of their WordNet names.

        Part means substring: "ham" matches "hammock". Raises OfficialCrashError for a blank first
        phrase that is not part of the second.
        """
        if one in two or two in one:
            return 1.0
        if not one.split():
            raise OfficialCrashError("TypeError")
        assert self.lexicon is not None
        names = [self.lexicon.synonyms("_".join(phrase.split())) for phrase in (one, two)]
        return len(names[0] & names[1]) / (len(names[0] | names[1]) + eps)

    def _match(
        self,
        candidates: Sequence[Item],
        references: Sequence[Item],
        synonyms: Callable[[Item, Item], bool],
        text: Callable[[Item], str],
    ) -> Match:
        open_candidates, open_references = list(candidates), list(references)
        _pair_up(open_candidates, open_references, lambda one, two: one == two)
        if self.lexicon is not None:
            _pair_up(open_candidates, open_references, synonyms)
        hard = len(candidates) - len(open_candidates)
        if self.encoder is None or not open_candidates or not open_references:
            return Match(hard, hard, hard)
        one, two = (
            np.stack([self._vector(text(item)) for item in side])
            for side in (open_candidates, open_references)
        )
        cosines = one @ two.T
        return Match(
            hard, hard + float(cosines.max(axis=1).sum()), hard + float(cosines.max(axis=0).sum())
        )

    def encode_ahead(self, phrases: Sequence[str]) -> None:
        """Encodes all phrases in one go, which is quicker than one by one."""
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self.vectors]
        if self.encoder is not None and new:
            vectors = self.encoder.encode(new)
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            self.vectors.update(zip(new, vectors / np.where(lengths == 0, 1, lengths), strict=True))

    def _vector(self, phrase: str) -> np.ndarray:
        if phrase not in self.vectors:
            self.encode_ahead([phrase])
        return self.vectors[phrase]


def _pair_up(
    candidates: list[Item], references: list[Item], matches: Callable[[Item, Item], bool]
) -> None:
    """Takes out each candidate with the first open reference that it matches."""
    left = []
    for candidate in candidates:
        place = next((i for i, ref in enumerate(references) if matches(candidate, ref)), None)
        if place is None:
            left.append(candidate)
        else:
            del references[place]
    candidates[:] = left
