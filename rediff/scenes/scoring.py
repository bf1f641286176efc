"""Captions of scenes against exact truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from rediff.scenes.parser import fluency, read_caption, tokenize
from rediff.scenes.world import Scene

WEIGHTS = {"object_f1": 5, "attribute_f1": 5, "relation_f1": 2}
"""CAPTURE's weights of objects, attributes and relations."""
REPEATED = 4
"""Length in words of the runs whose repetition is counted."""


def score_caption(text: str, scene: Scene) -> dict[str, float]:
    """All scene-graph metrics of one caption.

    Args:
        text: the caption.
        scene: the truth.

    Returns:
        Each metric by its name, in [0, 1].
    """
    stated, truth = read_caption(text), scene.graph()
    true_relations = stated.relations & (truth.relations | scene.pairwise())
    parts = {
        "object_f1": _f1(stated.objects, truth.objects),
        "attribute_f1": _f1(stated.attributes, truth.attributes),
        "relation_f1": _harmonic(
            _share(len(true_relations), len(stated.relations)),
            _share(len(truth.relations & stated.relations), len(truth.relations)),
        ),
    }
    facts = len(stated.objects) + len(stated.attributes) + len(stated.relations)
    right = len(stated.objects & truth.objects) + len(stated.attributes & truth.attributes)
    expected = len(truth.objects) + len(truth.attributes) + len(truth.relations)
    placed = len(stated.relations & truth.relations)
    return {
        "capture": sum(WEIGHTS[name] * parts[name] for name in WEIGHTS) / sum(WEIGHTS.values()),
        **parts,
        "hallucination": 1 - (right + len(true_relations)) / facts if facts else 0.0,
        "coverage": (right + placed) / expected,
        "repetition": repetition(text),
        "fluency": fluency(text),
    }


def repetition(text: str) -> float:
    """Share of the caption's runs of `REPEATED` words that are not new; 0 if it is shorter."""
    words = tokenize(text)
    runs = Counter(tuple(words[i : i + REPEATED]) for i in range(len(words) - REPEATED + 1))
    total = sum(runs.values())
    return 1 - len(runs) / total if total else 0.0


def _f1(stated: Collection[object], truth: Collection[object]) -> float:
    right = len(set(stated) & set(truth))
    return _harmonic(_share(right, len(stated)), _share(right, len(truth)))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _harmonic(precision: float, recall: float) -> float:
    both = precision + recall
    return 2 * precision * recall / both if both else 0.0
