"""How FACTUAL's parser writes a scene graph: `( dog , is , black ) , ( dog , on , mat )`."""

from __future__ import annotations

from dataclasses import dataclass, field

TASK = "Generate Scene Graph:"
BETWEEN = ") ,"


@dataclass(slots=True)
class Entity:
    """A thing. `attributes` keep their order of appearance; `quantity` is digits or empty."""

    head: str
    quantity: str = ""
    attributes: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SentenceGraph:
    """One sentence's things, and (subject, predicate, object) with things by their number."""

    entities: list[Entity]
    relations: list[tuple[int, str, int]]


def clean(generated: str) -> str:
    """The facts of the parser's output, sorted, each once, in even spacing.

    A last fact that was cut off is dropped; of a single one, the text before its first comma
    is kept. As FactualSceneGraph 0.7.3 does.
    """
    text = generated.replace(TASK, "").strip()
    for mark in "(),":
        text = text.replace(mark, f" {mark} ")
    text = " ".join(text.split())
    facts = text.split(BETWEEN)
    if not text.endswith(")"):
        facts = facts[:-1] if len(facts) > 1 else [facts[0].split(",")[0]]
    bare = {fact.strip().strip("()").strip() for fact in facts} - {""}
    return " , ".join(f"( {fact} )" for fact in sorted(bare))


def parse(text: str) -> SentenceGraph:
    """Reads the text of `clean`.

    `is` with digits is a quantity, with anything else an attribute; every other predicate is a
    relation. A fact without exactly three parts is skipped, unless it is the only one: then its
    first part is a thing. As FactualSceneGraph 0.7.3 does.
    """
    graph = SentenceGraph([], [])
    numbers: dict[str, int] = {}

    def number(head: str) -> int:
        if head not in numbers:
            numbers[head] = len(graph.entities)
            graph.entities.append(Entity(head))
        return numbers[head]

    facts = text.strip().split(BETWEEN)
    for fact in facts:
        parts = [part.strip() for part in fact.strip().strip("()").split(",")]
        if len(parts) != 3:
            if len(facts) == 1:
                number(parts[0])
            continue
        subject, predicate, other = parts
        entity = graph.entities[number(subject)]
        if predicate != "is":
            graph.relations.append((numbers[subject], predicate, number(other)))
        elif other.isdigit():
            entity.quantity = other
        else:
            entity.attributes[other] = None
    return graph
