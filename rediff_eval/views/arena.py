"""Samplers against each model's default one, at equal forward passes.

A sampler may end before its steps are used up, and two samplers with the same steps may take other
passes. So each condition is compared, sample by sample, with the default sampler's quality at the
condition's mean passes (`at_passes`); beyond the budgets of the default sampler it is that of the
nearest, which then has other passes (`outside`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rediff.models.config import read_captioner_config
from rediff_eval.results.equal_passes import NEARLY, at_passes
from rediff_eval.results.finished import infos_of_runs, read_results
from rediff_eval.results.paired import LEVEL, holm, mean_interval, paired_p
from rediff_eval.results.simultaneous import simultaneous_halves
from rediff_eval.views.front import pareto
from rediff_eval.views.samples import check_metric, load_samples, values_of

CONDITION = ["model", "sampler", "steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One sampler with one model at one budget.

    `quality`: mean of the metric, `half` half its interval that holds for all of the model's
    conditions at once. `passes`, `gflop`: means of a caption, `gflop` None where it is not known.
    `default`: whether it is the model's default sampler. Against that at as many passes: the mean
    `difference`, between `low` and `high` with 95% confidence, `p` by random exchange, and
    `p_holm`, corrected for all samplers at this budget of the model; `outside`: its passes are
    fewer or more than those of every budget of the default sampler, by more than 5%, so that it is
    compared with the nearest. `front`: no condition of the model is as good with fewer passes;
    `front_gflop`: nor with fewer operations.
    """

    model: str
    sampler: str
    steps: int
    n: int
    quality: float
    half: float
    passes: float
    gflop: float | None
    default: bool
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    outside: bool
    front: bool
    front_gflop: bool


def default_samplers(runs: list[Path], named: Mapping[str, str]) -> dict[str, str]:
    """Each model's default sampler.

    Args:
        runs: finished runs.
        named: by hand, by the models' names; else that of the checkpoint's config.

    Raises:
        ValueError: for a model of which neither is known.
    """
    found = dict(named)
    for run in runs:
        for model, facts in read_results(run)["manifest"]["models"].items():
            if model in found:
                continue
            scheme, _, where = str(facts.get("from", "")).partition(":")
            if scheme != "folder" or not Path(where).is_dir():
                raise ValueError(f"name the default sampler of {model}: --default {model}:SAMPLER")
            found[model] = read_captioner_config(Path(where)).sampler
    return found


def contenders(
    runs: list[Path], metric: str, defaults: Mapping[str, str], *, seed: int = 0
) -> list[Contender]:
    """All conditions of some runs, model by model, held against the models' default samplers.

    Args:
        runs: finished runs of one task and data set.
        metric: to compare by; more is better.
        defaults: each model's default sampler.
        seed: of the bootstrap and of the random exchanges.

    Raises:
        ValueError: for a metric that no run has or of which less is better, for runs of several
            data sets, for a model without its default sampler in the runs, where conditions of a
            model were measured twice or not on the same samples, and where no model has a sampler
            besides its default.
    """
    check_metric(runs, metric)
    if metric in (infos := infos_of_runs(runs)) and infos[metric].lower_is_better:
        raise ValueError(f"{metric} is better when it is lower: an arena takes one of quality")
    samples = load_samples(runs, (metric, "nfe", "gflop"))
    if len(data := samples["data"].unique()) > 1:
        raise ValueError(f"the runs are of several data sets: {', '.join(map(str, data))}")
    quality, passes = values_of(samples, metric), _means(values_of(samples, "nfe"))
    work = _means(values_of(samples, "gflop")) if "gflop" in samples else {}
    found: list[Contender] = []
    for model, rows in quality.groupby("model", sort=False):
        if (twice := rows[rows.duplicated([*CONDITION, "id"])]).size:
            raise ValueError(f"{model} was measured twice with {twice['sampler'].iloc[0]}")
        table = rows.pivot_table(index="id", columns=CONDITION, values="value", sort=False)
        if table.isna().to_numpy().any():
            raise ValueError(f"the conditions of {model} were not measured on the same samples")
        found += _of_model(str(model), table, passes, work, defaults[str(model)], seed)
    if all(contender.default for contender in found):
        raise ValueError("the runs have no sampler but each model's default to hold against it")
    return found


def _means(frame: pd.DataFrame) -> dict[tuple[str, str, int], float]:
    """The mean of each condition."""
    return {
        _key(condition): float(group["value"].mean())
        for condition, group in frame.groupby(CONDITION, sort=False)
    }


def _key(condition: Any) -> tuple[str, str, int]:
    model, sampler, steps = condition
    return str(model), str(sampler), int(steps)


def _of_model(
    model: str,
    table: pd.DataFrame,
    passes: Mapping[tuple[str, str, int], float],
    work: Mapping[tuple[str, str, int], float],
    default: str,
    seed: int,
) -> list[Contender]:
    values = table.to_numpy(dtype=np.float64)
    keys = [_key(condition) for condition in table.columns]
    curve = {passes[key]: values[:, i] for i, key in enumerate(keys) if key[1] == default}
    if not curve:
        raise ValueError(f"the runs have no captions by {model}'s default sampler, {default}")
    halves = simultaneous_halves(values, seed=seed)
    found = []
    for i, key in enumerate(keys):
        one, two = values[:, i], at_passes(curve, passes[key])
        low, high = mean_interval(one - two, seed)
        found.append(
            Contender(
                model=model,
                sampler=key[1],
                steps=key[2],
                n=len(one),
                quality=float(one.mean()),
                half=float(halves[i]),
                passes=passes[key],
                gflop=work.get(key),
                default=key[1] == default,
                difference=float((one - two).mean()),
                low=low,
                high=high,
                p=1.0 if key[1] == default else paired_p(one, two, seed=seed),
                p_holm=1.0,
                outside=not min(curve) / NEARLY <= passes[key] <= max(curve) * NEARLY,
                front=False,
                front_gflop=False,
            )
        )
    return _with_fronts(_corrected(found))


def _corrected(found: list[Contender]) -> Iterator[Contender]:
    """With Holm's correction over the samplers at each budget."""
    for steps in dict.fromkeys(c.steps for c in found):
        group = [c for c in found if c.steps == steps]
        rivals = [c for c in group if not c.default]
        raised = dict(zip([c.sampler for c in rivals], holm([c.p for c in rivals]), strict=True))
        yield from (replace(c, p_holm=raised.get(c.sampler, 1.0)) for c in group)


def _with_fronts(found: Iterable[Contender]) -> list[Contender]:
    """By passes, both fronts marked."""
    ordered = sorted(found, key=lambda c: (c.passes, -c.quality))
    front = pareto(ordered, lambda c: (c.passes, c.quality))
    known = [c for c in ordered if c.gflop is not None]
    cheapest = pareto(known, lambda c: (c.gflop or 0.0, c.quality))
    return [replace(c, front=c in front, front_gflop=c in cheapest) for c in ordered]


def verdict(found: Sequence[Contender], sampler: str, model: str) -> str:
    """At which budgets a sampler is significantly better and worse than a model's default one.

    Args:
        found: all contenders.
        sampler: its name.
        model: of whose conditions the verdict is.

    Returns:
        For instance `better at 10; worse at ~80, 40`, the numbers steps; `~` where the default
        sampler has never as many passes or as few.
    """
    mine = [c for c in found if (c.model, c.sampler) == (model, sampler)]
    if not mine:
        return "not measured"
    if mine[0].default:
        return "the default"
    parts = []
    for word, sign in (("better", 1), ("worse", -1)):
        significant = [c for c in mine if c.p_holm < LEVEL and sign * c.difference > 0]
        if len(significant) == len(mine) > 1:
            return f"{word} everywhere"
        if significant:
            ordered = sorted(significant, key=lambda c: -c.steps)
            steps = ", ".join(f"{'~' if c.outside else ''}{c.steps}" for c in ordered)
            parts.append(f"{word} at {steps}")
    return "; ".join(parts) or "no difference"
