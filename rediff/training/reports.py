"""What a training run reports to the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


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
