"""Which conditions are the best of their budget, or not significantly different from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from rediff_eval.results.numbers import ConditionResult, Results
from rediff_eval.results.paired import is_tied

MARK = "*"
EXPLAINED = "best of its budget, or not significantly different from it (paired test, p >= 0.05)"


def best_of_budgets(results: Results) -> frozenset[int]:
    """The numbers of the conditions that are best of their tokens per step in the main metric, and
    of those that a paired test does not tell from these.

    A model without budgets has one of its own. Without the values of samples, as in results that
    were read from a file, only the best means are known.
    """
    metric, groups = results.main_metric, defaultdict(list)
    for number, condition in enumerate(results.conditions):
        if metric in condition.metrics:
            groups[condition.tokens_per_step].append(number)
    info = results.metrics.get(metric)
    sign = -1 if info is not None and info.lower_is_better else 1
    found: set[int] = set()
    for numbers in groups.values():
        if len(numbers) > 1:
            found |= _best(results, numbers, sign)
    return frozenset(found)


def _best(results: Results, numbers: list[int], sign: int) -> set[int]:
    metric, every = results.main_metric, results.conditions
    first = max(numbers, key=lambda number: sign * every[number].metrics[metric].value)
    best = _values(every[first], metric)
    return {first, *(n for n in numbers if is_tied(best, _values(every[n], metric)))}


def _values(condition: ConditionResult, metric: str) -> Mapping[str, float]:
    values = condition.values.get(metric, ())
    pairs = zip(condition.ids, values, strict=True) if values else ()
    return {sample: value for sample, value in pairs if not np.isnan(value)}
