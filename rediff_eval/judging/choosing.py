"""Which model judges a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rediff.llm_client.server import ServerSpec
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.judging.opening import is_oracle
from rediff_eval.judging.oracle import ORACLE
from rediff_eval.metrics.base import METRICS, JudgeLoad
from rediff_eval.metrics.config import ScoringConfig

REPLIES = "judge"
"""Folder of the oracle's replies in a run folder; a real judge's are kept for all runs."""


def judge_loads(groups: Sequence[str]) -> list[JudgeLoad]:
    """The calls to a judge by the judged metrics among some groups."""
    loads = (METRICS[group].judge for group in groups if group in METRICS)
    return [load for load in loads if load is not None]


def choose_judge(
    config: ScoringConfig, groups: Sequence[str], samples: SampleSet, folder: Path
) -> ServerSpec | None:
    """The judge that was named; on scenes the oracle, where a metric needs a judge.

    Args:
        config: names a judge, or none.
        groups: of metrics.
        samples: to be judged.
        folder: of the run.

    Raises:
        ValueError: if the oracle was named for pictures that it knows nothing of.
    """
    if not judge_loads(groups):
        return None
    named = config.judge
    if named is None and samples.kind == "scenes":
        named = ServerSpec(model=ORACLE)
    if named is None or not is_oracle(named):
        return named
    if samples.kind != "scenes":
        raise ValueError("the oracle knows the embedded scenes only; name another --judge")
    return replace(named, cache=folder / REPLIES)
