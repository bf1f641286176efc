"""The input of an estimate, from a recipe, and its result for a stage."""

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
    """The cost of one stage; None where there is none or it is not known.

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
    """The settings that the stages of a recipe share.

    `canvas`, `stages`: of the recipe. `network`: on the meta device. `hourly`: operations of all
    devices in an hour.
    """

    canvas: int
    stages: Mapping[str, Any]
    network: Network
    row: RowSize
    processes: int
    hourly: float
