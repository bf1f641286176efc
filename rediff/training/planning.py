"""What an estimate knows of a recipe, and what it says of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import LlavaOnevisionForConditionalGeneration

Network = LlavaOnevisionForConditionalGeneration


@dataclass(frozen=True, slots=True)
class RowSize:
    """About how long a row is in tokens, with its picture, and how long its canvas is; and the
    same of the longest row."""

    tokens: int
    canvas: int
    most_tokens: int
    most_canvas: int

    def on_canvas(self, canvas: int | None) -> RowSize:
        """The same rows on another canvas; on their own one for None."""
        if canvas is None:
            return self
        return RowSize(
            self.tokens - self.canvas + canvas,
            canvas,
            self.most_tokens - self.most_canvas + canvas,
            canvas,
        )


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """What one stage takes; None where it takes none or nothing is known.

    `parameters`, `trained`: of the network. `tokens`: in all rows of all steps or passes. `memory`:
    bytes of one device. `calls`, `dollars`: of an expert's server.
    """

    stage: str
    kind: str
    steps: int | None = None
    parameters: int | None = None
    trained: int | None = None
    tokens: int | None = None
    memory: int | None = None
    hours: float | None = None
    calls: int | None = None
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Planner:
    """What the stages of a recipe have in common.

    `canvas`, `stages`: of the recipe. `network`: on the meta device. `hourly`: operations of all
    devices in an hour.
    """

    canvas: int
    stages: Mapping[str, Any]
    network: Network
    row: RowSize
    processes: int
    hourly: float
