"""What a decoding remembers of its steps, for rules that ask."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from rediff.decoding.canvas import Canvas, Prediction


class Memory:
    """What rules know of the past, and how many masks a row is owed.

    `written`: float32 [B, R], the confidence with which each visible token was written, 0 for a
    mask. `remasked`: int64 [B, R], how often each position was masked again. `owed`: int64 [B],
    masks that the last step put back, to be written beyond the next step's quota.
    """

    def __init__(self, canvas: Canvas) -> None:
        """Before the first step: what is visible was written for certain."""
        self.written = (~canvas.masked).float()
        self.remasked = torch.zeros_like(canvas.tokens)
        self.owed = self.remasked[:, 0]

    def recalled(self, prediction: Prediction, active: Tensor) -> Prediction:
        """The prediction with what is known of its rows.

        Args:
            prediction: of the active rows.
            active: their numbers, int64 [b].
        """
        return replace(prediction, written=self.written[active], remasked=self.remasked[active])

    def note(self, before: Canvas, after: Canvas, active: Tensor, prediction: Prediction) -> None:
        """Takes a step into account.

        Args:
            before: the canvas before the step.
            after: the canvas after it.
            active: numbers of the rows that were decoded, int64 [b].
            prediction: of these rows.
        """
        confidence = self.written.index_copy(0, active, prediction.confidence.float())
        new = ~after.masked & (before.masked | (after.tokens != before.tokens))
        back = after.masked & ~before.masked
        self.written = torch.where(new, confidence, self.written).masked_fill(after.masked, 0.0)
        self.remasked = self.remasked + back
        self.owed = back.sum(dim=1)
