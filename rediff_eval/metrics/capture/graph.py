"""The facts that a caption states, as CAPTURE sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Relation = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class CaptionGraph:
    """Objects, attributes by their owner, and (subject, predicate, object) triples.

    The order is that in which they are matched, which changes scores (see `Capture`). An owner
    need not be among the objects.
    """

    objects: Sequence[str] = ()
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    relations: Sequence[Relation] = ()

    def qualities(self) -> list[str]:
        """All attributes as one list; a word that two owners have is in it twice."""
        return [word for words in self.attributes.values() for word in words]


@dataclass(slots=True)
class GraphBuilder:
    """Collects the facts of sentences, each once, in order of appearance."""

    objects: dict[str, None] = field(default_factory=dict)
    attributes: dict[str, dict[str, None]] = field(default_factory=dict)
    relations: dict[Relation, None] = field(default_factory=dict)

    def add_object(self, name: str) -> None:
        self.objects[name] = None

    def add_attribute(self, owner: str, word: str) -> None:
        self.attributes.setdefault(owner, {})[word] = None

    def add_relation(self, relation: Relation) -> None:
        self.relations[relation] = None

    def build(self) -> CaptionGraph:
        attributes = {owner: tuple(words) for owner, words in self.attributes.items()}
        return CaptionGraph(tuple(self.objects), attributes, tuple(self.relations))


def pieces(relations: Sequence[Relation]) -> Iterator[str]:
    """Relations as phrases."""
    return (" ".join(relation) for relation in relations)
