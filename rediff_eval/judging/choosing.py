"""Who judges a run."""

from __future__ import annotations

from dataclasses import replace

from rediff.llm_client.server import ServerSpec
from rediff_eval.judging.opening import is_oracle
from rediff_eval.judging.oracle import ORACLE
from rediff_eval.metrics.registry import JUDGED
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.spec import RunSpec

REPLIES = "judge"
"""Folder of the oracle's replies in a run folder; a real judge's are kept for all runs."""


def choose_judge(spec: RunSpec, samples: SampleSet) -> ServerSpec | None:
    """The judge that was named; on scenes the oracle, where a metric needs one.

    Raises ValueError if the oracle was named for pictures that it knows nothing of.
    """
    if not set(spec.task.metrics_on(samples.kind)) & JUDGED:
        return None
    named = spec.judge
    if named is None and samples.kind == "scenes":
        named = ServerSpec(model=ORACLE)
    if named is None or not is_oracle(named):
        return named
    if samples.kind != "scenes":
        raise ValueError("the oracle knows the embedded scenes only; name another --judge")
    return replace(named, cache=spec.out / REPLIES)
