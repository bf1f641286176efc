"""Revise rules: which visible tokens a step replaces by their new predictions.

Positions are bool masks [B, R]. torch is imported where a rule is applied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rediff.decoding.checks import check_share
from rediff.decoding.unmask import top_ranked

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Prediction


class Revise(Protocol):
    """Chooses which visible positions take their new prediction."""

    def __call__(self, prediction: Prediction, eligible: Tensor, step: int, steps: int) -> Tensor:
        """A subset of the visible positions, bool [B, R].

        Args:
            prediction: of this step.
            eligible: visible positions of the block, up to and with the eos token; bool [B, R].
            step: of the block, from 0.
            steps: of the block.
        """
        ...

    def first_step(self, steps: int) -> int:
        """The first of `steps` steps in which the rule acts; before it, nothing has converged."""
        ...


@dataclass(frozen=True, slots=True)
class KeepVisible:
    """A visible token never changes (mask-prediction, as in LLaDA)."""

    def __call__(self, prediction: Prediction, eligible: Tensor, step: int, steps: int) -> Tensor:
        return eligible & False

    def first_step(self, steps: int) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class TakeCorrections:
    """Every visible token becomes that of a corrector (`WithCorrector`); else none changes."""

    def __call__(self, prediction: Prediction, eligible: Tensor, step: int, steps: int) -> Tensor:
        return eligible & prediction.corrected

    def first_step(self, steps: int) -> int:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepredictDoubted:
    """Visible tokens that the model says are right with a probability lower than `below` become
    their new predictions.

    Needs `WithDoubts`. Raises ValueError for a number outside [0, 1].
    """

    below: float = 0.5

    def __post_init__(self) -> None:
        check_share("below", self.below)

    def __call__(self, prediction: Prediction, eligible: Tensor, step: int, steps: int) -> Tensor:
        assert prediction.support is not None
        return eligible & (prediction.support.nan_to_num(nan=1.0) < self.below)

    def first_step(self, steps: int) -> int:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepredictVisible:
    """Every visible token becomes its new prediction, x_i <- argmax p(x_i | x, image, prompt).

    Above temperature 0 it is drawn again.

    In the last step of a block the loop keeps eos, since a response that loses it there would have
    no end.
    This is the refinement of ReDiff (arXiv 2510.19871, section 3.3). `top_fraction`: only this
    share of the visible positions, the most confident ones (the authors' `revise_topk`). `last`:
    only in this share of the steps, at their end (the authors' `revise_start`). `threshold`: only
    where the confidence in the new token is above it (the edits of LLaDA2.1, arXiv 2602.08676).
    `gain`: only where it is more than that above the probability of the visible token. Raises
    ValueError for a number outside [0, 1].

    Examples:
        >>> import torch
        >>> from rediff.decoding.canvas import Prediction
        >>> prediction = Prediction(torch.tensor([[5, 6, 7]]), torch.tensor([[0.2, 0.95, 0.5]]))
        >>> visible = torch.tensor([[True, True, False]])
        >>> RepredictVisible()(prediction, visible, 0, 8).tolist()
        [[True, True, False]]
        >>> RepredictVisible(top_fraction=0.5)(prediction, visible, 0, 8).tolist()
        [[False, True, False]]
    """

    top_fraction: float = 1.0
    last: float = 1.0
    threshold: float = 0.0
    gain: float = 0.0

    def __post_init__(self) -> None:
        for name in ("top_fraction", "last", "threshold", "gain"):
            check_share(name, getattr(self, name))

    def __call__(self, prediction: Prediction, eligible: Tensor, step: int, steps: int) -> Tensor:
        if step < self.first_step(steps):
            return eligible & False
        chosen = eligible & (prediction.confidence > self.threshold)
        if self.gain > 0.0:
            chosen &= prediction.confidence > prediction.visible_probability() + self.gain
        if self.top_fraction < 1.0:
            quota = (eligible.sum(dim=1) * self.top_fraction).long()
            chosen &= top_ranked(prediction.confidence, eligible, quota)
        return chosen

    def first_step(self, steps: int) -> int:
        return steps - math.ceil(steps * self.last)
