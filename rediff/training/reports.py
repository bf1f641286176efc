"""Reports of a training run's progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rediff.training.logs import LOG, read_count, read_log


@dataclass(frozen=True, slots=True)
class StageReport:
    """A stage under way: steps done, of how many, and its last loss.

    A stage that takes no optimisation steps has no loss; its steps are drafts.
    """

    stage: str
    step: int = 0
    steps: int | None = None
    loss: float | None = None
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
        return StageReport(name, int(count["step"]), int(count["steps"]), None, count["seconds"])
    last = entries[-1]
    return StageReport(name, int(last["step"]), int(last["steps"]), last["loss"], last["seconds"])
