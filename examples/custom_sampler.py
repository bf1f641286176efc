"""A sampler of your own: which masks are written is one small rule.

    rediff-eval run --task capture --limit 8 --plugin custom_sampler.py \\
      --model rediff:leftmost --model "rediff:leftmost,window=4|16"
    rediff-eval list samplers --plugin custom_sampler.py
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rediff import register_sampler
from rediff.decoding.canvas import Prediction
from rediff.decoding.revise import RepredictVisible
from rediff.decoding.sampler import RuleSampler
from rediff.decoding.schedules import LinearSchedule
from rediff.decoding.stop import Converged
from rediff.decoding.unmask import top_ranked


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftmost:
    """The most confident of the first `window` masks, so that text grows from left to right."""

    window: int = 8

    def __call__(self, prediction: Prediction, eligible: Tensor, quota: Tensor, eos: int) -> Tensor:
        near = eligible & (
            eligible.long().cumsum(dim=1) <= torch.clamp(quota, self.window)[:, None]
        )
        return top_ranked(prediction.confidence, near, quota)


@register_sampler("leftmost")
def leftmost() -> RuleSampler:
    """Writes from left to right, a few words at once, and revises all of them."""
    return RuleSampler(
        name="leftmost",
        schedule=LinearSchedule(refine_share=0.2),
        unmask=Leftmost(),
        revise=RepredictVisible(),
        stop=Converged(),
    )
