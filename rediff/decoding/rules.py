"""Schedule, commit, revise and stop: the four rules that make a sampler.

Each rule is a small frozen object, free of model and state, and can be replaced alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Commit the masks evenly, the remainder in the earliest steps; then settle.

    `settle`: share of the steps, at the end, in which nothing is left to commit and only revision
    acts. 0 is the published schedule, in which the tokens of the last step are never revised.
    """

    settle: float = 0.0

    def __post_init__(self) -> None:
        check_share("settle", self.settle)

    def commit_steps(self, steps: int) -> int:
        """How many of `steps` commit; at least one. Each such step commits a share of the masks."""
        return max(1, steps - math.floor(steps * self.settle))

    def quotas(self, masks: Tensor, steps: int) -> Tensor:
        """Tokens to commit for rows with `masks` [B] masked positions; int64 [B, steps]."""
        import torch

        committing = self.commit_steps(steps)
        step = torch.arange(steps, device=masks.device)
        quotas = masks[:, None] // committing + (step < (masks % committing)[:, None]).long()
        return torch.where(step < committing, quotas, 0)


class Commit(Protocol):
    """Chooses which open positions to write: bool [B, R], a subset of `eligible` [B, R]."""

    def __call__(self, evidence: Evidence, eligible: Tensor, quota: Tensor, stop: int) -> Tensor:
        """`quota` [B] is the schedule's wish for this step; `stop` the id of the stop token."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MostConfident:
    """The `quota` most confident positions (LLaDA's low-confidence remasking, at temperature 0).

    `stop_last`: proposals of the stop token come after all others, leftmost first. A model that
    was trained on padded responses is surest of the padding, and would write the end before the
    beginning. Ties go to the left.
    """

    stop_last: bool = True

    def __call__(self, evidence: Evidence, eligible: Tensor, quota: Tensor, stop: int) -> Tensor:
        import torch

        score = evidence.confidence
        if self.stop_last:
            position = torch.arange(score.size(1), device=score.device)
            score = torch.where(evidence.token == stop, -1.0 - position, score)
        return top_ranked(score, eligible, quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confident:
    """Every position surer than `threshold`, and at least the quota (Fast-dLLM's rule)."""

    threshold: float

    def __post_init__(self) -> None:
        check_share("threshold", self.threshold)

    def __call__(self, evidence: Evidence, eligible: Tensor, quota: Tensor, stop: int) -> Tensor:
        import torch

        sure = eligible & (evidence.confidence > self.threshold)
        return torch.where(
            (sure.sum(dim=1) >= quota)[:, None],
            sure,
            top_ranked(evidence.confidence, eligible, quota),
        )


class Revise(Protocol):
    """Chooses which visible positions take their new argmax: a subset of `eligible` [B, R]."""

    def __call__(self, evidence: Evidence, eligible: Tensor, step: int, steps: int) -> Tensor:
        """`step` of `steps`, counted from 0 in each block."""
        ...


@dataclass(frozen=True, slots=True)
class Freeze:
    """A token once written stays (mask-prediction)."""

    def __call__(self, evidence: Evidence, eligible: Tensor, step: int, steps: int) -> Tensor:
        import torch

        return torch.zeros_like(eligible)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceAll:
    """Every visible token is predicted anew (ReDiff, arXiv 2510.19871, section 3).

    `top_fraction`: only this share of the visible positions, the most confident ones (the
    official `revise_topk`). `last`: only in this share of the steps, at their end (the official
    `revise_start`). `threshold`: only where the new token is surer than this.
    """

    top_fraction: float = 1.0
    last: float = 1.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        for name in ("top_fraction", "last", "threshold"):
            check_share(name, getattr(self, name))

    def __call__(self, evidence: Evidence, eligible: Tensor, step: int, steps: int) -> Tensor:
        import torch

        if step < steps - math.ceil(steps * self.last):
            return torch.zeros_like(eligible)
        chosen = eligible & (evidence.confidence > self.threshold)
        if self.top_fraction < 1.0:
            quota = (eligible.sum(dim=1) * self.top_fraction).long()
            chosen &= top_ranked(evidence.confidence, eligible, quota)
        return chosen


class Stop(Protocol):
    """Says which rows are finished with the block that is being decoded: bool [B]."""

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        """`open_` bool [B, R]: masks of the block before the stop token. `changed` bool [B, R]:
        positions whose token differs from before this step; before the first step of a block those
        that a step may change, its visible ones."""
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """No mask is left before the stop token (the published rule)."""

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        return ~open_.any(dim=1)


@dataclass(frozen=True, slots=True)
class Settled:
    """No mask is left before the stop token and the last pass changed nothing.

    Temperature is 0, so a pass that changed nothing would change nothing again.
    """

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        return ~(open_ | changed).any(dim=1)


def check_share(name: str, value: float) -> None:
    """Raises ValueError for a number out of [0, 1], or none."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value}")


def check_length(name: str, value: int | None) -> None:
    """Raises ValueError for a length that is not above 0; None is none."""
    if value is not None and value <= 0:
        raise ValueError(f"{name} must be above 0, got {value}")


def top_ranked(score: Tensor, eligible: Tensor, quota: Tensor) -> Tensor:
    """The `quota` [B] eligible positions of highest score, ties to the left; bool [B, R]."""
    import torch

    order = score.masked_fill(~eligible, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return eligible & (order.argsort(dim=1) < quota[:, None])
