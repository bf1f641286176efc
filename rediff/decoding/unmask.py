"""Unmask rules: which masks a step writes.

Positions are bool masks [B, R]. torch is imported where a rule is applied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rediff.decoding.checks import check_share

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Prediction


class Unmask(Protocol):
    """Chooses which masks to write."""

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        """A subset of `eligible` bool [B, R].

        Args:
            prediction: of this step.
            eligible: masks of the block before the eos token; bool [B, R].
            quota: how many tokens the schedule asks for, in its last step all; int64 [B].
            eos: id of the eos token.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MostConfident:
    """The `quota` most confident masks, ties to the left, and all above `threshold`.

    At threshold 1 this is LLaDA's low-confidence remasking at temperature 0 (arXiv 2502.09992,
    algorithm 5); below, a step also unmasks every position with confidence > `threshold`, as
    Fast-dLLM does (arXiv 2505.22618, section 3.3). `eos_last`: positions where eos is predicted
    come after all others, leftmost first. A model trained on padded responses is surest of the
    padding, and would write the end before the beginning. Raises ValueError for a threshold
    outside [0, 1].

    Examples:
        >>> import torch
        >>> from rediff.decoding.canvas import Prediction
        >>> prediction = Prediction(torch.tensor([[5, 6, 7]]), torch.tensor([[0.2, 0.95, 0.5]]))
        >>> masks, one = torch.ones(1, 3, dtype=torch.bool), torch.tensor([1])
        >>> MostConfident()(prediction, masks, one, eos=1).tolist()
        [[False, True, False]]
        >>> MostConfident(threshold=0.4)(prediction, masks, one, eos=1).tolist()
        [[False, True, True]]
    """

    eos_last: bool = True
    threshold: float = 1.0

    def __post_init__(self) -> None:
        check_share("threshold", self.threshold)

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        import torch

        score = prediction.confidence
        sure = eligible & (score > self.threshold)
        if self.eos_last:
            ends = prediction.token == eos
            position = torch.arange(score.size(1), device=score.device)
            score = torch.where(ends, -1.0 - position, score)
            sure &= ~ends
        return top_ranked(score, eligible, quota) | sure


def top_ranked(score: Tensor, eligible: Tensor, quota: Tensor) -> Tensor:
    """The eligible positions with the highest score, ties to the left; bool [B, R].

    Args:
        score: float [B, R].
        eligible: positions that can be chosen, bool [B, R].
        quota: how many are chosen in each row, int64 [B].
    """
    order = score.masked_fill(~eligible, -math.inf).argsort(dim=1, descending=True, stable=True)
    return eligible & (order.argsort(dim=1) < quota[:, None])
