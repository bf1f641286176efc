"""Conditions against each other, sample by sample, and training by training where there are
several."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from rediff.io.suggest import unknown
from rediff_eval.results.equal_passes import at_passes
from rediff_eval.results.paired import holm, one_level
from rediff_eval.results.two_levels import two_level
from rediff_eval.views.conditions import CELL, KIND, Condition, comparable, conditions_of
from rediff_eval.views.trainings import by_arm

Match = Literal["steps", "passes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Condition `a` against condition `b` on the samples that both have.

    `steps`: of both; of `a` where conditions are matched otherwise. `n`: samples; `trainings`: of
    `a` and of `b`; `paired_seeds`: whether these are pairs, each of one seed. `difference`: mean of
    a - b, between `low` and `high` with 95% confidence (bootstrap over samples; with several
    trainings, see `two_levels.py`). `p`: two-sided, by random
    exchange of a and b within samples, with several trainings by Student's t; `p_holm`: corrected
    for all comparisons made together (Holm 1979). `detectable`: the smallest true difference that a
    test at level 0.05 on as many samples would find with probability 0.8.
    """

    a: str
    b: str
    steps: str
    n: int
    trainings: tuple[int, int] = (1, 1)
    paired_seeds: bool = False
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    detectable: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which conditions are compared. Empty filters let everything through.

    `models`, `samplers`, `steps`: only these. `baseline`: `MODEL` or `MODEL:SAMPLER`; every other
    condition is compared with it, and no others; with one of a single budget, as an autoregressive
    model, at every budget. `match`: by equal steps, or, with a baseline, with
    its quality at as many mean passes. `by_seed`: trainings by several seeds are one condition;
    `paired_seeds`: those of one seed have more in common than the samples (their base), so that
    two arms are compared by the seeds that both have, where these are two at least.
    """

    models: Sequence[str] = ()
    samplers: Sequence[str] = ()
    steps: Sequence[int] = ()
    baseline: str | None = None
    match: Match = "steps"
    by_seed: bool = False
    paired_seeds: bool = True


EVERY = Asked()


def compare(frame: pd.DataFrame, asked: Asked = EVERY, *, seed: int = 0) -> list[Comparison]:
    """Pairs of conditions of one task, data set and scorer, corrected for their number.

    Means of the samples' own values are compared, also of metrics whose aggregate is a ratio of
    sums.

    Args:
        frame: as `load_values` makes it.
        asked: which pairs; by default all of the same budget.
        seed: of the bootstrap and of the random exchanges.

    Raises:
        ValueError: for a name that nothing has, and if no two conditions that were asked for
            share samples.
    """
    if asked.match == "passes" and asked.baseline is None:
        raise ValueError("equal passes are read off a baseline: name one by --baseline")
    frame = asked_for(frame, asked)
    found = [
        comparison
        for conditions in comparable(frame)
        for one, two in _pairs(conditions, asked)
        for comparison in _test(one, two, asked, seed)
    ]
    if not found:
        raise ValueError(_why_none(frame, asked))
    return _corrected(found)


def asked_for(frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """The values that are compared, with the seed of each training in the column `training`.

    Args:
        frame: as `load_values` makes it.
        asked: which conditions; the baseline's are marked by the column `baseline`.

    Raises:
        ValueError: for a name that nothing has, and for seeds that cannot be told.
    """
    return _filtered(by_arm(frame) if asked.by_seed else frame.assign(training=0), asked)


def _why_none(frame: pd.DataFrame, asked: Asked) -> str:
    """Why nothing can be compared."""
    every = frame[[*KIND, *CELL, "steps"]].drop_duplicates()
    if every.empty:
        return "no condition has that model, that sampler and those steps together"
    if len(every) == 1:
        model, sampler = every.iloc[0]["model"], every.iloc[0]["sampler"]
        return f"there is nothing to compare {model} {sampler} with: it is the only condition"
    same = "the same task, data, scorer, budget and samples"
    return f"no two conditions have {same}{' and two trainings each' if asked.by_seed else ''}"


def against_best(frame: pd.DataFrame, *, lower_is_better: bool, seed: int = 0) -> list[Comparison]:
    """The best condition of each budget, as `a`, against each other one there.

    Args:
        frame: as `load_values` makes it, of one task, data set and scorer.
        lower_is_better: of the metric.
        seed: as for `compare`.

    Returns:
        Corrected together; nothing where no budget has two conditions.
    """
    sign = -1 if lower_is_better else 1
    every = conditions_of(frame.assign(training=0))
    found: list[Comparison] = []
    for budget in dict.fromkeys(condition.budget for condition in every):
        there = [condition for condition in every if condition.budget == budget]
        best = max(there, key=lambda condition: sign * float(condition.values.mean()))
        for other in there:
            if other is not best:
                found += _test(best, other, EVERY, seed)
    return _corrected(found)


def _corrected(found: Sequence[Comparison]) -> list[Comparison]:
    corrected = holm([comparison.p for comparison in found])
    return [replace(c, p_holm=p) for c, p in zip(found, corrected, strict=True)]


def _filtered(frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    wanted = (("model", asked.models), ("sampler", asked.samplers), ("steps", asked.steps))
    keep = pd.Series(True, index=frame.index)
    for column, names in wanted:
        known = frame[column].dropna().unique()
        for name in names:
            if name not in known:
                raise unknown(column, str(name), [f"{one}".removesuffix(".0") for one in known])
        if names:
            keep &= frame[column].isin(names)
    if asked.baseline is None:
        return frame[keep]
    model, sampler = _named(asked.baseline, frame["model"].unique())
    baseline = frame["model"].eq(model) & (frame["sampler"].eq(sampler) if sampler else True)
    if not baseline.any():
        raise unknown("sampler of the baseline", sampler, frame["sampler"].unique())
    return frame.assign(baseline=baseline)[keep | baseline]


def _named(baseline: str, models: Iterable[str]) -> tuple[str, str]:
    """The model and the sampler of `MODEL[:SAMPLER]`; a model's name may have colons."""
    models = list(models)
    found = [name for name in models if baseline == name or baseline.startswith(f"{name}:")]
    if not found:
        raise unknown("baseline", baseline, models)
    model = max(found, key=len)
    return model, baseline[len(model) + 1 :]


def _pairs(conditions: Sequence[Condition], asked: Asked) -> Iterator[tuple[Condition, Condition]]:
    if asked.baseline is None:
        for one, two in itertools.combinations(conditions, 2):
            if one.budget == two.budget:
                yield one, two
        return
    baselines = [condition for condition in conditions if condition.baseline]
    if len({condition.title for condition in baselines}) > 1:
        titles = ", ".join(dict.fromkeys(condition.title for condition in baselines))
        raise ValueError(f"the baseline is one of several: {titles}; name its sampler, too")
    for one in conditions:
        if one.baseline:
            continue
        if asked.match == "passes":
            yield one, _at_as_many_passes(baselines, one)
            continue
        alone = len(baselines) == 1
        yield from ((one, two) for two in baselines if alone or one.budget == two.budget)


def _at_as_many_passes(baselines: Sequence[Condition], other: Condition) -> Condition:
    first = baselines[0]
    for two in baselines:
        if np.isnan(two.passes) or np.isnan(other.passes):
            raise ValueError("not all of these captions tell how many passes they took")
        if (two.ids, two.seeds) != (first.ids, first.seeds):
            raise ValueError(f"the budgets of {first.title} were not measured on the same samples")
    curve = {two.passes: two.values for two in baselines}
    return replace(first, budget=other.budget, values=at_passes(curve, other.passes))


def _test(one: Condition, two: Condition, asked: Asked, seed: int) -> Iterator[Comparison]:
    """Nothing for conditions that share fewer than two samples, and where trainings are compared
    for one that was trained once: the effect of its seed is not known."""
    theirs = set(two.ids)
    ids = [sample for sample in one.ids if sample in theirs]
    if len(ids) < 2 or (asked.by_seed and min(len(one.seeds), len(two.seeds)) < 2):
        return
    shared = [training for training in one.seeds if training in two.seeds]
    paired = asked.by_seed and asked.paired_seeds and len(shared) > 1
    if paired:
        one, two = one.of(shared), two.of(shared)
    a, b = one.on(ids), two.on(ids)
    found = two_level(a, b, by_training=paired) if asked.by_seed else one_level(a[0], b[0], seed)
    yield Comparison(
        a=one.title,
        b=two.title if two.budget in ("–", one.budget) else f"{two.title} at {two.budget} steps",
        steps=one.budget,
        n=len(ids),
        trainings=(len(a), len(b)),
        paired_seeds=paired,
        p_holm=1.0,
        **asdict(found),
    )
