"""Which metrics tables and pages show, in which order, and how."""

from __future__ import annotations

from collections.abc import Iterable

ORDER = (
    "accuracy", "accuracy_count", "accuracy_attribute", "accuracy_relation",
    "accuracy_instruction", "accuracy_dialogue", "word_accuracy",
    "clair", "clair_worst", "capture", "object_f1", "attribute_f1", "relation_f1",
    "hallucination", "coverage", "coverage_worst", "factuality", "factuality_worst", "caparena",
    "caparena_worst", "capture_lite", "repetition", "fluency", "bleu4", "meteor", "rouge_l",
    "cider", "words", "revisions", "flips", "fix_rate", "break_rate", "tokens_per_pass", "nfe",
    "seconds",
)  # fmt: skip
"""The order of the metrics that are known here; others follow by name."""
PARTS = frozenset(
    {"bleu1", "bleu2", "bleu3", "lite_object_f1", "lite_attribute_f1", "lite_relation_f1", "tokens",
     "truncated"}
)  # fmt: skip
"""What `results.csv` alone shows: parts of a metric that is shown, and counts."""
INSTEAD = {"capture_lite": "capture"}
"""Metrics that are left out where a better one is shown."""
DECIMALS = {
    "tokens_per_pass": 2, "nfe": 1, "seconds": 3, "caparena": 1, "caparena_worst": 1, "words": 1,
    "revisions": 1, "flips": 1,
}  # fmt: skip
LOWER_IS_BETTER = frozenset(
    {"hallucination", "repetition", "break_rate", "flips", "nfe", "seconds", "truncated"}
)


def shown(measured: Iterable[str], main: str) -> list[str]:
    """Of the measured metrics those that a table has: the main one, and all but `PARTS`."""
    there = set(measured)
    names = [name for name in (*ORDER, *sorted(there - {*ORDER, *PARTS})) if name in there]
    kept = [name for name in names if name == main or INSTEAD.get(name, "") not in there]
    return kept if main in kept or main not in there else [main, *kept]


def digits(metric: str) -> int:
    """Digits behind the point."""
    return DECIMALS.get(metric, 3)
