"""Reports of a training run's progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rediff.training.logs import LOG, read_count, read_log
from rediff.training.validation import METRIC


@dataclass(frozen=True, slots=True)
class StageReport:
    """A stage under way: steps done, of how many, its last losses in training and on held-out
    rows, and its last learning rate.

    A stage that takes no optimisation steps has none of these; its steps are drafts.
    """

    stage: str
    step: int = 0
    steps: int | None = None
    loss: float | None = None
    validation: float | None = None
    lr: float | None = None
    seconds: float = 0.0
    finished: bool = False


Report = Callable[[StageReport], None]


def read_progress(name: str, root: Path) -> StageReport:
    """The last entry of a stage's log, or its count, as a report."""
    entries = read_log(root / name / LOG)
    if not entries:
        count = read_count(root / name)
        if count is None:
            return StageReport(name)
        return StageReport(name, int(count["step"]), int(count["steps"]), seconds=count["seconds"])
    last = entries[-1]
    return StageReport(
        name,
        int(last["step"]),
        int(last["steps"]),
        _last(entries, "loss"),
        _last(entries, METRIC),
        _last(entries, "learning_rate"),
        last["seconds"],
    )


def _last(entries: Sequence[Mapping[str, float]], key: str) -> float | None:
    return next((entry[key] for entry in reversed(entries) if key in entry), None)
