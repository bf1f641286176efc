"""Remask rules that ask how much the other tokens support each one, or how its probability moved.
Their form is that of `remask.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rediff.decoding.checks import check_count, check_share
from rediff.decoding.remask import RemaskSuspects
from rediff.decoding.unmask import top_ranked

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Prediction
    from rediff.decoding.remask import Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskUnsupported:
    """The tokens whose probability drops most where they and part of the others are hidden.

    Needs `WithContextsHidden` (CoRe, arXiv 2602.04096). At most `most` of them, and only where the
    probability drops by more than `drop`. Raises ValueError for a drop outside [0, 1], and for
    `most` below 1.
    """

    most: int = 4
    drop: float = 0.3

    def __post_init__(self) -> None:
        check_count("most", self.most)
        check_share("drop", self.drop)

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        import torch

        eligible = writing.eligible
        if prediction.support is None:
            return eligible & False
        drop = (prediction.visible_probability() - prediction.support).nan_to_num(nan=-1.0)
        number = torch.full_like(eligible.sum(dim=1), self.most)
        return top_ranked(drop, eligible & (drop > self.drop), number)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskRefuted:
    """The tokens that the masks beside them do not expect: support below `below`, lowest first.

    Needs `WithLeaveOneOut` (WINO, arXiv 2507.18578). Fewer than the step writes, so that decoding
    gets on. Raises ValueError for a number outside [0, 1].
    """

    below: float = 0.9

    def __post_init__(self) -> None:
        check_share("below", self.below)

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        assert prediction.support is not None
        support = prediction.support.nan_to_num(nan=1.0)
        number = (writing.wrote.sum(dim=1) - 1).clamp(min=0)
        return top_ranked(-support, writing.eligible & (support < self.below), number)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskDoubted(RemaskSuspects):
    """The tokens that the model says are right with a probability lower than `below`, the lowest
    first (PRISM, arXiv 2510.01384).

    Needs `WithDoubts`. Raises ValueError as `RemaskSuspects`, and for a number outside [0, 1].
    """

    below: float = 0.5

    def __post_init__(self) -> None:
        RemaskSuspects.__post_init__(self)
        check_share("below", self.below)

    def suspects(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        assert prediction.support is not None
        right = prediction.support.nan_to_num(nan=1.0)
        return right < self.below, -right


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskFluctuating(RemaskSuspects):
    """The tokens whose probability has a standard deviation above `spread` over the steps since
    they were last written, the largest first.

    The statistic is that of VGR (ICML 2026, poster 66650), which found that it marks words that the
    picture does not hold. Raises ValueError as `RemaskSuspects`, and for a spread outside [0, 1].
    """

    uses_past: ClassVar[bool] = True
    spread: float = 0.15
    most: float = 0.125
    times: int = 2

    def __post_init__(self) -> None:
        RemaskSuspects.__post_init__(self)
        check_share("spread", self.spread)

    def suspects(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        import torch

        assert prediction.past is not None
        probability = torch.cat(
            [prediction.past.visible_probability, prediction.visible_probability()[None]]
        )
        # Steps since a position was last a mask: those after its last zero.
        since = probability.flip(0).gt(0).long().cumprod(dim=0).flip(0)
        number = since.sum(dim=0).clamp(min=1)
        mean = (probability * since).sum(dim=0) / number
        spread = (((probability - mean) * since).square().sum(dim=0) / number).sqrt()
        return spread > self.spread, spread
