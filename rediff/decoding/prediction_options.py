"""How a forward pass becomes a prediction, known without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rediff.decoding.checks import check_from_zero


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionOptions:
    """The options of `predict`, which documents them.

    Raises ValueError for a penalty below 1, a temperature below 0 and a `top_p` that is not above 0
    and at most 1.
    """

    majority_eos: bool = True
    eos_penalty: float = 1.0
    temperature: float = 0.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.eos_penalty < math.inf:
            raise ValueError(f"eos_penalty must be a number from 1 on, got {self.eos_penalty}")
        check_from_zero("temperature", self.temperature)
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p}")
