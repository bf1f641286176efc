"""Schedules: how many masks each denoising step writes.

torch is imported where a schedule is applied, so that listing samplers takes no second.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from rediff.decoding.checks import check_share, check_shift

if TYPE_CHECKING:
    from torch import Tensor


class Schedule(Protocol):
    """Shares the masks of a block out among its steps.

    Masks that a remask rule has put back are written beyond the next step's quota, but by a
    schedule that says otherwise by `makes_up = False`. One that is `paced` shares out the words
    that the model still expects instead, see `paced_quota`.
    """

    def unmask_steps(self, steps: int) -> int:
        """The steps, of so many in all, that write masks; in the last of them all that is left."""
        ...

    def quotas(self, masks: Tensor, steps: int) -> Tensor:
        """Tokens to write in each step, int64 [B, steps].

        Args:
            masks: masks of each row at the start of the block, int64 [B].
            steps: of the block.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSchedule:
    """Unmasks n masks evenly over the first T' of T steps, the remainder in the earliest.

    Step t of T' unmasks floor(n / T') + [t < n mod T'], as in LLaDA (arXiv 2502.09992, appendix
    A). T' = max(1, T - floor(T * refine_share)): in the last steps nothing is left to unmask, and
    only revision acts. At 0, the published schedule, tokens of the last step are never revised.
    `paced`: see `paced_quota`. Raises ValueError for a share outside [0, 1].
    """

    refine_share: float = 0.0
    paced: bool = False

    def __post_init__(self) -> None:
        check_share("refine_share", self.refine_share)

    def unmask_steps(self, steps: int) -> int:
        """T', the steps that unmask tokens."""
        return max(1, steps - math.floor(steps * self.refine_share))

    def quotas(self, masks: Tensor, steps: int) -> Tensor:
        """See `Schedule.quotas`.

        Examples:
            >>> import torch
            >>> LinearSchedule().quotas(torch.tensor([7]), 3).tolist()
            [[3, 2, 2]]
        """
        import torch

        unmasking = self.unmask_steps(steps)
        step = torch.arange(steps, device=masks.device)
        quotas = masks[:, None] // unmasking + (step < (masks % unmasking)[:, None]).long()
        return torch.where(step < unmasking, quotas, 0)


def paced_quota(words: Tensor, steps: int) -> Tensor:
    """ceil(w / n), at least 1: the words that a step writes of w so that they last for n steps.

    Quotas share out the whole canvas, so that an answer of ten words on a canvas of 80 is written
    in two of ten steps.

    Args:
        words: open masks where the model does not predict eos, int64 [B].
        steps: that are left to write, this one among them.

    Returns:
        int64 [B].

    Examples:
        >>> import torch
        >>> paced_quota(torch.tensor([7, 0]), 4).tolist()
        [2, 1]
    """
    return ((words + steps - 1) // steps).clamp(min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimalSchedule:
    """One mask in each step, so that the unmask rule chooses all tokens beyond it, masks that a
    remask rule has put back among them.

    The last unmasking step writes all that is left: the steps are a limit. `refine_share`: see
    `LinearSchedule`. Raises ValueError for a share outside [0, 1].
    """

    makes_up: ClassVar[bool] = False
    refine_share: float = 0.0

    def __post_init__(self) -> None:
        check_share("refine_share", self.refine_share)

    def unmask_steps(self, steps: int) -> int:
        """As for `LinearSchedule`."""
        return LinearSchedule(refine_share=self.refine_share).unmask_steps(steps)

    def quotas(self, masks: Tensor, steps: int) -> Tensor:
        """See `Schedule.quotas`."""
        return masks.new_ones(len(masks), steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlySchedule:
    """Writes most masks early; later steps write only the masks that a remask rule has put back.

    The share `filled` of the n masks, rounded up, is written evenly in the first share `early` of
    the T steps, rounded up; the last step writes all that is left. Raises ValueError for shares
    outside [0, 1].
    """

    early: float = 0.5
    filled: float = 1.0

    def __post_init__(self) -> None:
        check_share("early", self.early)
        check_share("filled", self.filled)

    def unmask_steps(self, steps: int) -> int:
        """All of them."""
        return steps

    def quotas(self, masks: Tensor, steps: int) -> Tensor:
        """See `Schedule.quotas`.

        Examples:
            >>> import torch
            >>> EarlySchedule(filled=0.75).quotas(torch.tensor([8]), 4).tolist()
            [[3, 3, 0, 0]]
        """
        import torch

        first = max(1, math.ceil(steps * self.early))
        number = (masks * self.filled).ceil().long()
        early = LinearSchedule().quotas(number, first)
        return torch.cat([early, early.new_zeros(len(early), steps - first)], dim=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineSchedule:
    """Few masks first and many last: n cos(pi s / 2 T) are left after s of T steps, rounded down.

    MaskGIT's schedule (arXiv 2202.04200, section 3.3). As in its code a step writes one mask at
    least: after s steps at most n - s are left.
    """

    def unmask_steps(self, steps: int) -> int:
        """All of them."""
        return steps

    def quotas(self, masks: Tensor, steps: int) -> Tensor:
        """See `Schedule.quotas`.

        Examples:
            >>> import torch
            >>> CosineSchedule().quotas(torch.tensor([10]), 4).tolist()
            [[1, 2, 4, 3]]
        """
        import torch

        step = torch.arange(steps + 1, device=masks.device, dtype=torch.float64)
        left = (masks[:, None] * torch.cos(math.pi / 2 * step / steps)).floor().long()
        left = torch.minimum(left, masks[:, None] - step.long()).clamp(min=0)
        left[:, -1] = 0
        return -left.diff(dim=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftSchedule:
    """LaViDa's shifted schedule (arXiv 2505.16839, section 3.4): below 1 many tokens come first.

    With T' = min(T, n) and a(t) = s t / (1 + (s - 1) t), step i takes the differences of
    floor(n a(i / T')), at least 1 each; where that makes too many, 1 is taken off entries above 1,
    one after another. The list is then read backwards, as in the authors' code, so that `shift` s
    below 1 takes many tokens in the first steps, above 1 in the last. With some shifts rounding in
    float32 leaves one mask to the loop, as it does there. Raises ValueError for a
    `shift` outside [0.001, 1000].
    """

    shift: float = 0.33

    def __post_init__(self) -> None:
        check_shift(self.shift)

    def unmask_steps(self, steps: int) -> int:
        """All of them."""
        return steps

    def quotas(self, masks: Tensor, steps: int) -> Tensor:
        """See `Schedule.quotas`.

        Examples:
            >>> import torch
            >>> ShiftSchedule().quotas(torch.tensor([16]), 6).tolist()
            [[7, 3, 3, 1, 1, 1]]
        """
        import torch

        numbers = masks.tolist()
        known = {number: self._shares(number, steps) for number in {*numbers}}
        return torch.tensor([known[number] for number in numbers], device=masks.device)

    def _shares(self, masks: int, steps: int) -> list[int]:
        """The tokens of each step for so many masks; computed in float32 as the authors do."""
        import torch

        used = min(steps, masks)
        if used == 0:
            return [0] * steps
        t = torch.linspace(0, 1, used + 1)
        reached = (self.shift * t / (1 + (self.shift - 1) * t) * masks).to(torch.int64)
        shares = reached.diff().clamp(min=1).tolist()
        for step in itertools.cycle(range(used)):
            if sum(shares) <= masks:
                break
            if shares[step] > 1:
                shares[step] -= 1
        return [*reversed(shares), *[0] * (steps - used)]
