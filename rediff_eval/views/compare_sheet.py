"""Comparisons as a table and as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rediff_eval.results.paired import STARS, stars
from rediff_eval.views.compare import Comparison
from rediff_eval.views.conditions import Condition
from rediff_eval.views.layouts import Sheet


def as_sheet(found: Sequence[Comparison], metric: str) -> Sheet:
    """The comparisons as a table of texts, stars where the corrected p is small.

    Args:
        found: of one table, all that were tested together.
        metric: that was compared.
    """
    trained = max(max(c.trainings) for c in found) > 1
    tests = ["n", "a - b", "95% interval", "p", "p (Holm)", "detectable"]
    names = ["a", "b", "steps", *(["trainings"] if trained else []), *tests]
    rows = [
        [
            c.a,
            c.b,
            c.steps,
            *([_trainings(c)] if trained else []),
            str(c.n),
            f"{c.difference:+.4f}{stars(c.p_holm)}",
            f"{c.low:+.4f} to {c.high:+.4f}",
            _p(c.p),
            _p(c.p_holm),
            f"{c.detectable:.4f}",
        ]
        for c in found
    ]
    levels = "trainings and samples" if trained else "samples"
    return Sheet(
        title=f"{metric}: a - b, paired by sample",
        header=names,
        rows=rows,
        texts=2,
        notes=[f"Intervals are over {levels}; {STARS}"],
    )


def arms_sheet(found: Sequence[Condition], metric: str) -> Sheet:
    """The results of one recipe's trainings with several seeds, a row for each condition.

    Args:
        found: the conditions.
        metric: that was measured.
    """
    rows = []
    for condition in found:
        means = condition.values.mean(axis=1)
        numbers = (means.mean(), means.min(), means.max(), np.ptp(means))
        seeds = " ".join(str(seed) for seed in condition.seeds)
        rows.append([condition.title, condition.budget, seeds, *(f"{x:.4f}" for x in numbers)])
    return Sheet(
        title=f"{metric}: means of trainings",
        header=["condition", "steps", "seeds", "mean", "smallest", "largest", "spread"],
        rows=rows,
        texts=1,
    )


def _trainings(comparison: Comparison) -> str:
    one, two = comparison.trainings
    return f"{one} pairs" if comparison.paired_seeds else f"{one}, {two}"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "<0.0001"


def as_rows(found: Iterable[Comparison]) -> list[dict[str, Any]]:
    """The comparisons as plain values, a dict for each."""
    rows = []
    for comparison in found:
        row = asdict(comparison)
        row["trainings_a"], row["trainings_b"] = row.pop("trainings")
        rows.append(row)
    return rows
