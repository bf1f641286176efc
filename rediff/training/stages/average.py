"""The stage `average`: between the weights of two models, one trained from the other."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from rediff.training.stages.base import MODEL, Run, Stage, register_stage


@register_stage("average")
class AverageStage(Stage):
    """Weights between those of a model and of its trained successor, without further training.

    (1 - share) w_start + share w_stage for every weight (WiSE-FT, Wortsman et al. 2022, arXiv
    2109.01903). Most of what the training from `start` to `stage` taught is kept, and so is most
    of what it unlearnt.
    """

    kind: Literal["average"] = "average"
    start: str
    stage: str
    share: float = Field(default=0.5, ge=0, le=1)

    alone: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    needs_denoiser: ClassVar[bool] = True

    def run(self, run: Run) -> None:
        """Raises ValueError if the two are not of one shape."""
        first, last = (run.checkpoint(name, dtype="float32") for name in (self.start, self.stage))
        if shapes(first.model) != shapes(last.model):
            raise ValueError(f"the weights of {self.start!r} and {self.stage!r} differ in shape")
        mix(first.model, last.model, self.share)
        last.save(run.folder / MODEL)


@torch.no_grad()
def mix(first: nn.Module, last: nn.Module, share: float) -> None:
    """Gives `last` weights between those of `first` and its own, which have a share of `share`.

    Shared weights are mixed once; buffers stay.
    """
    before = dict(first.named_parameters())
    for name, weight in last.named_parameters():
        weight.copy_(torch.lerp(before[name], weight, share))


def shapes(model: nn.Module) -> dict[str, torch.Size]:
    """The shapes of a model's parameters."""
    return {name: weight.shape for name, weight in model.named_parameters()}
