"""Samples of a task, as a run loads them."""

from __future__ import annotations

from pathlib import Path

from rediff_eval.benchmarks.load import DataConfig, load_samples
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.benchmarks.task import Task


def samples_of(
    task: Task, limit: int | None = None, data: Path | None = None, data_dir: Path | None = None,
    *, allowed: float = 0.0,
) -> SampleSet:  # fmt: skip
    """The first samples of a task, or of some data."""
    config = DataConfig(task=task, limit=limit, data=data, data_dir=data_dir)
    return load_samples(config, allowed=allowed)
