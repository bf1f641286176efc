"""The four rules that make a sampler: schedule, unmask, revise and stop.

Each rule is a small frozen dataclass without model or state. A sampler is one rule of each kind,
and any of them can be replaced alone. Positions are bool masks [B, R] throughout. torch is
imported where a rule is applied, so that listing samplers takes no second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rediff.decoding.checks import check_length, check_refresh, check_share
from rediff.decoding.schedules import LinearSchedule, Schedule

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RepredictVisible:
    """Every visible token becomes its new prediction, x_i <- argmax p(x_i | x, image, prompt).

    In the last step of a block the loop keeps eos, since a response that loses it there would have
    no end.
    This is the refinement of ReDiff (arXiv 2510.19871, section 3.3). `top_fraction`: only this
    share of the visible positions, the most confident ones (the authors' `revise_topk`). `last`:
    only in this share of the steps, at their end (the authors' `revise_start`). `threshold`: only
    where the confidence in the new token is above it. Raises ValueError for a number outside
    [0, 1].

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

    def __post_init__(self) -> None:
        for name in ("top_fraction", "last", "threshold"):
            check_share(name, getattr(self, name))

    def __call__(self, prediction: Prediction, eligible: Tensor, step: int, steps: int) -> Tensor:
        if step < self.first_step(steps):
            return eligible & False
        chosen = eligible & (prediction.confidence > self.threshold)
        if self.top_fraction < 1.0:
            quota = (eligible.sum(dim=1) * self.top_fraction).long()
            chosen &= top_ranked(prediction.confidence, eligible, quota)
        return chosen

    def first_step(self, steps: int) -> int:
        return steps - math.ceil(steps * self.last)


class Stop(Protocol):
    """Says which rows are finished with the block that is being decoded."""

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        """Finished rows, bool [B].

        Args:
            open_: masks of the block before the eos token; bool [B, R].
            changed: positions whose token this step changed; bool [B, R]. Until the revise rule
                acts: the positions that it may change, the visible ones.
        """
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """A row is finished when no mask is left before the eos token (the published rule)."""

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        return ~open_.any(dim=1)


@dataclass(frozen=True, slots=True)
class Converged:
    """A row is finished when no mask is left before the eos token and a step changed nothing.

    Decoding is greedy, so a step of revision that changed nothing would change nothing again.

    Examples:
        >>> import torch
        >>> masks, changed = torch.tensor([[False], [False]]), torch.tensor([[False], [True]])
        >>> Converged()(masks, changed).tolist()
        [True, False]
    """

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        return ~(open_ | changed).any(dim=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One rule of each kind, and the blocks that they run in.

    `block_length`: None decodes the whole canvas at once. Otherwise blocks of that many positions
    are decoded from left to right, the steps are split evenly between them, and only tokens of
    the current block are revised. `majority_eos`: see `predict`. `refresh`: steps after which image
    and prompt are computed anew, 0 for never; None computes them as often as it takes to be exact,
    which is in every step where they see the response, and once where they do not.
    """

    schedule: Schedule = field(default_factory=LinearSchedule)
    unmask: Unmask = field(default_factory=MostConfident)
    revise: Revise = field(default_factory=KeepVisible)
    stop: Stop = field(default_factory=Filled)
    block_length: int | None = None
    majority_eos: bool = True
    refresh: int | None = None

    def __post_init__(self) -> None:
        check_length("block_length", self.block_length)
        check_refresh(self.refresh)


def top_ranked(score: Tensor, eligible: Tensor, quota: Tensor) -> Tensor:
    """The eligible positions with the highest score, ties to the left; bool [B, R].

    Args:
        score: float [B, R].
        eligible: positions that can be chosen, bool [B, R].
        quota: how many are chosen in each row, int64 [B].
    """
    order = score.masked_fill(~eligible, -math.inf).argsort(dim=1, descending=True, stable=True)
    return eligible & (order.argsort(dim=1) < quota[:, None])
