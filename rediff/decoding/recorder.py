"""Keeps the steps of a batch for its traces, and tells a callback of each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rediff.decoding.canvas import Canvas, Prediction
from rediff.decoding.trace import Step, Trace, row_traces

OnStep = Callable[[Step], None]
"""Called with every denoising step, after it was applied."""


class Recorder:
    """Keeps the steps of a batch for its traces, and tells a callback of each."""

    def __init__(self, trace: bool, on_step: OnStep | None, *, remasks: bool = False) -> None:
        """`remasks`: tokens that become masks again are taken back, and no revision."""
        self.trace, self.on_step, self.remasks = trace, on_step, remasks
        self.steps: list[Step] = []

    def __call__(
        self, before: Canvas, after: Canvas, active: Tensor, prediction: Prediction
    ) -> None:
        """Records one step of the active rows [b]; `prediction` is of these rows alone."""
        if not self.trace and self.on_step is None:
            return
        confidence = torch.zeros(before.tokens.shape, device=before.tokens.device)
        confidence[active] = prediction.confidence.float()
        flags = torch.zeros_like(before.done)
        flags[active] = True
        revised = ~before.masked & (after.tokens != before.tokens)
        if self.remasks:
            revised &= ~after.masked
        unmasked = before.masked & ~after.masked
        step = Step(after.tokens, after.masked, confidence, unmasked, revised, flags)
        if self.trace:
            self.steps.append(step)  # where it is: to copy it now would be to wait for a GPU
        if self.on_step is not None:
            self.on_step(step.cpu())

    def traces(self, end: Canvas) -> list[Trace]:
        """The trace of each row; none where no traces were asked for. `end`: the last canvas."""
        if not self.trace:
            return []
        if self.steps:
            return row_traces(self.steps)
        tokens, flags = end.tokens[:0].cpu(), end.masked[:0].cpu()
        return [Trace(tokens, flags, tokens.float(), flags, flags)] * len(end.tokens)
