"""Unmask rules: which masks a step writes.

Positions are bool masks [B, R]. torch is imported where a rule is applied. Each rule has
`eos_last`: positions where eos is predicted come after all others, leftmost first, and no threshold
lets them in. A model trained on padded responses is surest of the padding, and would write the end
before the beginning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rediff.decoding.checks import check_choice, check_share

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Prediction


class Unmask(Protocol):
    """Chooses which masks to write.

    A rule that asks for `prediction.past` says so by `uses_past = True`, by `uses_distributions =
    True` if it asks for `last` there, and by `uses_drift = True` if it asks for `drift`.
    """

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        """A subset of `eligible` bool [B, R].

        Args:
            prediction: of this step.
            eligible: masks of the block before the eos token; bool [B, R].
            quota: how many tokens the schedule asks for, in its last step all; int64 [B].
            eos: id of the eos token.
        """
        ...


RANKS = ("probability", "margin", "entropy", "random")
"""The scores of positions: the probability of the prediction; how far the highest probability
is above the second (Dream's `topk_margin`); the negative entropy; and chance."""
BEHIND = -1e4
"""The rank of the leftmost position where eos is predicted; entropies are far above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MostConfident:
    """The `quota` masks of highest rank, ties to the left, and all above `threshold`.

    At threshold 1, ranked by probability and with neither `eos_last` nor `majority_eos` (see
    `predict`), this is LLaDA's low-confidence remasking at temperature 0 (arXiv 2502.09992,
    algorithm 5); below, a step also unmasks every position with confidence > `threshold`, as
    Fast-dLLM does (arXiv 2505.22618, section 3.3). `rank`: one of `RANKS`. Raises ValueError for a
    threshold outside [0, 1] and an unknown rank.

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
    rank: str = "probability"

    def __post_init__(self) -> None:
        check_share("threshold", self.threshold)
        check_choice("rank", self.rank, RANKS)

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        sure = eligible & (prediction.confidence > self.threshold) & ~ends
        return top_ranked(put_last(rank_of(prediction, self.rank), ends), eligible, quota) | sure


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentElseQuota:
    """All masks with confidence > `threshold` where there are any, else the `quota` most confident.

    Dimple's confident decoding (arXiv 2505.16990). Unlike with `MostConfident` a step may write
    fewer than the quota; the last one writes all that is left. Raises ValueError for a threshold
    outside [0, 1].
    """

    eos_last: bool = True
    threshold: float = 0.95

    def __post_init__(self) -> None:
        check_share("threshold", self.threshold)

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        sure = eligible & (prediction.confidence > self.threshold) & ~ends
        by_quota = top_ranked(put_last(prediction.confidence, ends), eligible, quota)
        return sure_or_quota(sure, by_quota, quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorBound:
    """The n most confident masks, n the largest with c_(n) >= 1 - `factor` / (n + 1).

    Fast-dLLM's factor rule (arXiv 2505.22618, section 3.3): the more are written at once, the surer
    each must be. At least the quota. Raises ValueError for a factor that is not above 0.
    """

    eos_last: bool = True
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise ValueError(f"factor must be above 0, got {self.factor}")

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        import torch

        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        confidence = prediction.confidence.masked_fill(~eligible | ends, -math.inf)
        best = confidence.sort(dim=1, descending=True).values
        number = torch.arange(1, best.size(1) + 1, device=best.device)
        holds = best >= 1 - self.factor / (number + 1)
        most = (holds & best.isfinite()).long().mul(number).amax(dim=1)
        return top_ranked(
            put_last(prediction.confidence, ends), eligible, torch.maximum(most, quota)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EntropyBound:
    """The k masks of lowest entropy, k the largest with sum H - max H <= `bound`, in nats.

    `bound` bounds the total correlation of the written tokens (EB-Sampler, arXiv 2505.24857,
    section 4). At least the quota. Raises ValueError for a bound below 0.
    """

    eos_last: bool = True
    bound: float = 0.1

    def __post_init__(self) -> None:
        if not self.bound >= 0:
            raise ValueError(f"bound must not be below 0, got {self.bound}")

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        import torch

        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        entropy = prediction.entropy()
        lowest = entropy.masked_fill(~eligible | ends, math.inf).sort(dim=1).values
        most = (lowest.cumsum(dim=1) - lowest <= self.bound).sum(dim=1)
        return top_ranked(put_last(-entropy, ends), eligible, torch.maximum(most, quota))


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOnceSure:
    """All masks once the model is sure of them, before that the `quota` most confident.

    Prophet (arXiv 2508.19982): it is sure where the mean gap between the two highest logits of the
    masks is at least `first` in the first third of the steps, `second` in the next, `third` in the
    last. Positions where eos is predicted do not count towards the mean (ours), but are written
    with the others. Raises ValueError for a gap below 0.
    """

    eos_last: bool = True
    first: float = 7.5
    second: float = 5.0
    third: float = 2.5

    def __post_init__(self) -> None:
        for name in ("first", "second", "third"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be below 0, got {getattr(self, name)}")

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        import torch

        assert prediction.scores is not None
        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        best = prediction.scores.topk(2, dim=-1).values
        counted = eligible & ~ends
        gap = torch.where(counted, best[..., 0] - best[..., 1], 0.0).sum(dim=1)
        needed = (self.first, self.second, self.third)[min(2, int(3 * prediction.progress))]
        sure = (gap >= needed * counted.sum(dim=1)) & counted.any(dim=1)
        by_quota = top_ranked(put_last(prediction.confidence, ends), eligible, quota)
        return by_quota | (eligible & sure[:, None])


@dataclass(frozen=True, slots=True, kw_only=True)
class AllWords:
    """All masks where eos is not predicted, and as many others as are missing to the quota.

    For remask rules that hold to a schedule of their own, as `RemaskToSchedule`.
    """

    eos_last: bool = True

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        words = eligible & ~ends
        return words | top_ranked(put_last(prediction.confidence, ends), eligible, quota)


def sure_or_quota(sure: Tensor, by_quota: Tensor, quota: Tensor) -> Tensor:
    """The sure positions of the rows that have any, the quota of the others; bool [B, R].

    Args:
        sure: bool [B, R].
        by_quota: the positions that the quota takes, bool [B, R].
        quota: int64 [B]; the whole width asks for all that is left.
    """
    enough = sure.any(dim=1) & (quota < sure.size(1))
    return sure | (by_quota & ~enough[:, None])


def ends_of(prediction: Prediction, eos: int, *, eos_last: bool) -> Tensor:
    """Where eos is predicted and has to wait, bool [B, R].

    Args:
        prediction: of this step.
        eos: id of the eos token.
        eos_last: False where it has not to wait.
    """
    return (prediction.token == eos) & eos_last


def put_last(score: Tensor, ends: Tensor) -> Tensor:
    """The score with some positions after all others, leftmost first; float [B, R].

    Args:
        score: by which positions are ranked, float [B, R].
        ends: those that come last, bool [B, R].
    """
    import torch

    position = torch.arange(score.size(1), device=score.device)
    return torch.where(ends, BEHIND - position, score)


def rank_of(prediction: Prediction, rank: str) -> Tensor:
    """The score [B, R] that positions are ranked by, higher first.

    Args:
        prediction: of this step.
        rank: one of `RANKS`.
    """
    if rank == "margin":
        return prediction.margin()
    if rank == "entropy":
        return -prediction.entropy()
    if rank == "random":
        assert prediction.noise is not None
        drawn = prediction.noise.uniform("rank", prediction.token.size(1))
        return drawn.to(prediction.confidence)
    return prediction.confidence


def top_ranked(score: Tensor, eligible: Tensor, quota: Tensor) -> Tensor:
    """The eligible positions with the highest score, ties to the left; bool [B, R].

    Args:
        score: float [B, R].
        eligible: positions that can be chosen, bool [B, R].
        quota: how many are chosen in each row, int64 [B].
    """
    order = score.masked_fill(~eligible, -math.inf).argsort(dim=1, descending=True, stable=True)
    return eligible & (order.argsort(dim=1) < quota[:, None])
