"""Estimates the cost of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rediff.captioners.base import Caption, Captioner, Decoding
from rediff.captioners.openai import MAX_TOKENS
from rediff.captioners.sources import ModelSource
from rediff.decoding.registry import find_sampler
from rediff.llm_client.prices import PICTURE_TOKENS, PRICES, Price, dollars, load_prices
from rediff_eval.benchmarks.sample import Sample, SampleSet
from rediff_eval.captioning.config import Condition, conditions_of
from rediff_eval.captioning.runner import request_of
from rediff_eval.evaluate import Evaluation
from rediff_eval.judging.choosing import judge_loads
from rediff_eval.judging.opening import is_oracle

PROBE = 3
"""Samples that are captioned to see how long it takes."""


@dataclass(frozen=True, slots=True)
class PlannedCondition:
    """The cost of one condition; None where it is not known.

    `passes`: forward passes at most, where the model has steps. `tokens`: written at most.
    `dollars`: approximate charge of servers. `seconds`: from the probe.
    """

    condition: Condition
    samples: int
    passes: int | None
    tokens: int | None
    judge_calls: int
    dollars: float | None
    seconds: float | None


def plan(
    evaluation: Evaluation, samples: SampleSet, prices: Path | None = None
) -> list[PlannedCondition]:
    """The cost of each condition of a run. Writes nothing, and asks no server for a caption.

    Args:
        evaluation: the run.
        samples: its data.
        prices: a file of prices instead of ours.

    Raises:
        ValueError: as `evaluate` does for bad names and data, and for a broken file of prices.
    """
    table = load_prices(prices or PRICES)
    calls, each = judge_cost(evaluation, samples, table)
    planned = []
    for source in evaluation.captioning.models:
        for one in _plan_model(evaluation, source, samples, table):
            known = each is not None and one.dollars is not None
            total = one.dollars + each * one.samples if known else None  # type: ignore[operator]
            planned.append(replace(one, judge_calls=calls * one.samples, dollars=total))
    return planned


def judge_cost(
    evaluation: Evaluation, samples: SampleSet, prices: Mapping[str, Price]
) -> tuple[int, float | None]:
    """Calls to the judge for one caption, and their dollars; None where its price is not known."""
    judge = evaluation.scoring.judge
    if judge is None and samples.kind != "scenes":
        return 0, 0.0  # judged metrics will not be run
    corrected = evaluation.scoring.preset == "corrected"
    loads = [
        (load, 2 if load.both_orders and corrected else 1)
        for load in judge_loads(evaluation.groups(samples))
    ]
    calls = sum(load.calls * times for load, times in loads)
    if judge is None or is_oracle(judge) or not calls:
        return calls, 0.0
    tokens_in = sum(load.tokens_in * times for load, times in loads)
    tokens_out = sum(load.tokens_out * times for load, times in loads)
    return calls, dollars(prices.get(judge.model), tokens_in, tokens_out, batch=judge.batch)


def _plan_model(
    evaluation: Evaluation, source: ModelSource, samples: SampleSet, prices: Mapping[str, Price]
) -> list[PlannedCondition]:
    if source.server is not None:
        return [_plan_server(evaluation, source, samples, prices.get(source.where))]
    config, task = evaluation.captioning, evaluation.task
    with closing(source.open()) as captioner:
        conditions = conditions_of(config, source, captioner.capabilities, task.tokens_per_step)
        return [_plan_condition(evaluation, c, captioner, samples) for c in conditions]


def _plan_condition(
    evaluation: Evaluation, condition: Condition, captioner: Captioner, samples: SampleSet
) -> PlannedCondition:
    capabilities, count = captioner.capabilities, len(samples.samples)
    guided = 2 if evaluation.captioning.guidance and capabilities.takes_samplers else 1
    seconds = _probe(evaluation, condition, captioner, samples.samples[:PROBE])
    return PlannedCondition(
        condition=condition,
        samples=count,
        passes=None if condition.steps is None else condition.steps * guided * count,
        tokens=None if capabilities.length is None else capabilities.length * count,
        judge_calls=0,
        dollars=0.0,
        seconds=seconds * count,
    )


def _plan_server(
    evaluation: Evaluation, source: ModelSource, samples: SampleSet, price: Price | None
) -> PlannedCondition:
    count, prompt = len(samples.samples), evaluation.task.prompt
    tokens = (source.loading.max_tokens or MAX_TOKENS) * count
    asked = " ".join(text for s in samples.samples for text in s.asked(prompt))
    tokens_in = PICTURE_TOKENS * count + 2 * len(asked.split())
    return PlannedCondition(
        condition=Condition(source.name, "api", None, None),
        samples=count,
        passes=None,
        tokens=tokens,
        judge_calls=0,
        dollars=dollars(price, tokens_in, tokens),
        seconds=None,
    )


def _probe(
    evaluation: Evaluation, condition: Condition, captioner: Captioner, samples: Sequence[Sample]
) -> float:
    """Seconds for each caption; a picture that cannot be opened takes none."""
    takes_samplers = captioner.capabilities.takes_samplers
    requests = []
    for sample in samples:
        with suppress(ValueError, OSError):
            requests.append(request_of(sample, sample.open(), evaluation.task.prompt))
    if not requests:
        return 0.0
    decoding = Decoding(
        sampler=find_sampler(condition.sampler) if takes_samplers else None,
        steps=condition.steps,
        guidance=evaluation.captioning.guidance,
    )
    replies = captioner.caption(requests, decoding)
    return sum(r.seconds for r in replies if isinstance(r, Caption)) / len(replies)
