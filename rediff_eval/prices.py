"""What judges are asked about a caption, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rediff.llm_client.usage import Bill
from rediff.llm_client.prices import Price, dollars
from rediff.llm_client.server import ServerSpec
from rediff_eval.judging.opening import is_oracle
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.spec import RunSpec


@dataclass(frozen=True, slots=True)
class JudgeLoad:
    """What a judge is asked about one caption: calls at least, tokens about."""

    calls: int
    tokens_in: int
    tokens_out: int


LOADS: Mapping[str, JudgeLoad] = {
    "clair": JudgeLoad(1, 500, 100),
    "coverage": JudgeLoad(1, 1350, 300),
    "factuality": JudgeLoad(2, 2000, 400),
    "caparena": JudgeLoad(1, 2100, 150),
}
"""For captions of 200 tokens, 36 questions and 25 propositions; CapArena once for each order."""


def judge_cost(
    spec: RunSpec, samples: SampleSet, prices: Mapping[str, Price]
) -> tuple[int, float | None]:
    """Calls to the judge for one caption, and their dollars; None where its price is not known."""
    if spec.judge is None and samples.kind != "scenes":
        return 0, 0.0  # judged metrics will not be run
    times = {"caparena": 2} if spec.scoring.preset == "sound" else {}
    loads = [
        (LOADS[metric], times.get(metric, 1))
        for metric in spec.task.metrics_on(samples.kind)
        if metric in LOADS
    ]
    calls = sum(load.calls * count for load, count in loads)
    if spec.judge is None or is_oracle(spec.judge) or not calls:
        return calls, 0.0
    bill = Bill(
        tokens_in=sum(load.tokens_in * count for load, count in loads),
        tokens_out=sum(load.tokens_out * count for load, count in loads),
    )
    return calls, judge_dollars(bill, spec.judge, prices)


def judge_dollars(bill: Bill, judge: ServerSpec, prices: Mapping[str, Price]) -> float | None:
    """What the calls of a bill cost; nothing for the oracle, None where the price is not known."""
    if is_oracle(judge):
        return 0.0
    price = prices.get(judge.model)
    return dollars(price, bill.tokens_in, bill.tokens_out, batch=judge.batch)
