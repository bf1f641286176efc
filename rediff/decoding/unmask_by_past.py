"""Unmask rules that use the history of earlier steps. Their form is that of `unmask.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rediff.decoding.checks import check_count, check_share
from rediff.decoding.unmask import ends_of, put_last, sure_or_quota, top_ranked

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class AboveMean:
    """All masks with a confidence above the mean of those with which visible tokens were written.

    Saber's threshold (arXiv 2510.18165), which grows as decoding gets surer. At least the quota.
    """

    uses_past: ClassVar[bool] = True
    eos_last: bool = True

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        assert prediction.past is not None
        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        visible = (prediction.past.written > 0).sum(dim=1)
        mean = prediction.past.written.sum(dim=1) / visible.clamp(min=1)
        sure = eligible & (prediction.confidence > mean[:, None]) & ~ends & (visible > 0)[:, None]
        return top_ranked(put_last(prediction.confidence, ends), eligible, quota) | sure


@dataclass(frozen=True, slots=True, kw_only=True)
class SureAndStable:
    """All masks that the model is sure of and has not changed its mind about, else the quota.

    KLASS (arXiv 2511.05664): with a confidence above `threshold`, and KL(p_t || p_(t-1)) below
    `drift` in each of the last `steps` steps. Where there are none, the `quota` most confident.
    Raises ValueError for a threshold outside [0, 1], a drift below 0, and less than one step.
    """

    uses_drift: ClassVar[bool] = True
    eos_last: bool = True
    threshold: float = 0.9
    drift: float = 0.01
    steps: int = 2

    def __post_init__(self) -> None:
        check_share("threshold", self.threshold)
        check_count("steps", self.steps)
        if not self.drift >= 0:
            raise ValueError(f"drift must not be below 0, got {self.drift}")

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        assert prediction.past is not None
        assert prediction.past.drift is not None
        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        drift = prediction.past.drift[-self.steps :]
        stable = (drift < self.drift).all(dim=0) & (len(drift) == self.steps)
        sure = eligible & stable & (prediction.confidence > self.threshold) & ~ends
        by_quota = top_ranked(put_last(prediction.confidence, ends), eligible, quota)
        return sure_or_quota(sure, by_quota, quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowThenFast:
    """Slowly until it is seen how far the model is sure, then quickly up to there.

    SlowFast (arXiv 2506.10848). The span of a step ends at the last mask where a word is predicted
    with a confidence above `certain`. Where the ends of the last `window` steps have a standard
    deviation below `spread`, and in every `explore`-th step (the paper counts slow steps alone),
    all masks of the span with a confidence above `threshold` are written. At least the quota in
    every step: the most confident masks of the span, then those after it. Raises ValueError for
    shares outside [0, 1] and numbers below 1.
    """

    uses_past: ClassVar[bool] = True
    eos_last: bool = True
    certain: float = 0.3
    threshold: float = 0.9
    spread: float = 1.0
    window: int = 2
    explore: int = 6

    def __post_init__(self) -> None:
        check_share("certain", self.certain)
        check_share("threshold", self.threshold)
        check_count("window", self.window)
        check_count("explore", self.explore)

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        import torch

        assert prediction.past is not None
        ends = ends_of(prediction, eos, eos_last=self.eos_last)
        position = torch.arange(eligible.size(1), device=eligible.device)
        past = prediction.past
        confidence = torch.cat([past.confidence, prediction.confidence[None]])[-self.window :]
        said = torch.cat([past.token, prediction.token[None]])[-self.window :]
        is_word = said != eos if self.eos_last else torch.ones_like(said, dtype=torch.bool)
        certain = eligible & is_word & (confidence > self.certain)
        reach = torch.where(certain, position, -1).amax(dim=2)
        stable = reach.double().std(dim=0, correction=0) < self.spread
        stable &= len(confidence) == self.window
        due = stable | ((len(past.token) + 1) % self.explore == 0)
        inside = eligible & (position <= reach[-1][:, None])
        sure = inside & (prediction.confidence > self.threshold) & ~ends & due[:, None]
        score = torch.where(inside, prediction.confidence, prediction.confidence - 1.0)
        return top_ranked(put_last(score, ends), eligible, quota) | sure
