"""The history of a decoding, for rules that ask for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rediff.decoding.canvas import Canvas, Past, Prediction

if TYPE_CHECKING:
    from rediff.decoding.rules import Needs


class Memory:
    """The history that rules may ask for, and how many masks a row is owed.

    `owed`: int64 [B], masks that the last step put back, to be written beyond the next step's
    quota.
    """

    def __init__(self, canvas: Canvas, needs: Needs) -> None:
        """Before the first step: visible tokens count as written with certainty."""
        self.needs = needs
        self.written = (~canvas.masked).float()
        self.remasked = torch.zeros_like(canvas.tokens)
        self.owed = self.remasked[:, 0]
        self.begin_block()

    def begin_block(self) -> None:
        """Forgets the steps of the block before."""
        self.token: list[Tensor] = []
        self.confidence: list[Tensor] = []
        self.visible_probability: list[Tensor] = []
        self.drift: list[Tensor] = []
        self.canvases: list[Tensor] = []
        self.filled_for = torch.full_like(self.owed, -1)
        self._last: tuple[Tensor, Prediction] | None = None

    def past(self, active: Tensor) -> Past | None:
        """The history of some rows, whose numbers are `active`, int64 [b]; None if no rule asks
        for it."""
        if not self.needs.past:
            return None
        return Past(
            self.written[active],
            self.remasked[active],
            _stacked(self.token, self.remasked)[:, active],
            _stacked(self.confidence, self.written)[:, active],
            _stacked(self.visible_probability, self.written)[:, active],
            last=self._last_of(active),
        )

    def recalled(self, prediction: Prediction, active: Tensor, past: Past | None) -> Prediction:
        """The prediction with the past of its rows, and how far it is from the last one.

        Args:
            prediction: of the active rows.
            active: their numbers, int64 [b].
            past: of these rows.
        """
        if past is None or not self.needs.drift:
            return replace(prediction, past=past)
        drift = torch.full_like(prediction.confidence, torch.inf)
        if past.last is not None:
            now, before = prediction.log_probabilities(), past.last.log_probabilities()
            apart = now.exp() * (now - before)
            drift = apart.nan_to_num(nan=0.0, posinf=torch.inf).sum(dim=-1)
        self.drift.append(_spread(drift, active, self.written))
        return replace(prediction, past=replace(past, drift=torch.stack(self.drift)[:, active]))

    def note(self, before: Canvas, after: Canvas, active: Tensor, prediction: Prediction) -> None:
        """Takes a step into account.

        Args:
            before: the canvas before the step.
            after: the canvas after it.
            active: numbers of the rows that were decoded, int64 [b].
            prediction: of these rows.
        """
        if not self.needs.past:
            return
        back = after.masked & ~before.masked
        self.owed = back.sum(dim=1)
        confidence = self.written.index_copy(0, active, prediction.confidence.float())
        new = ~after.masked & (before.masked | (after.tokens != before.tokens))
        self.written = torch.where(new, confidence, self.written).masked_fill(after.masked, 0.0)
        self.remasked = self.remasked + back
        self.token.append(_spread(prediction.token, active, self.remasked))
        self.confidence.append(_spread(prediction.confidence.float(), active, self.written))
        probability = prediction.visible_probability()
        self.visible_probability.append(_spread(probability, active, self.written))
        if self.needs.distributions:
            self._last = active, replace(prediction, past=None)

    def returned(self, after: Canvas) -> Tensor:
        """Rows that repeat a state of an earlier step of the block, bool [B]; none where no
        rule asks."""
        same = torch.zeros_like(after.done)
        if self.needs.history:
            for tokens in self.canvases:
                same |= (tokens == after.tokens).all(dim=1)
            self.canvases.append(after.tokens)
        return same

    def count_filled(self, open_: Tensor) -> Tensor:
        """Steps since no mask is left in each row, int64 [B], 0 where there is one; to be asked
        after each step.

        Args:
            open_: masks of the block before the eos token, bool [B, R].
        """
        self.filled_for = (self.filled_for + 1).masked_fill(open_.any(dim=1), -1)
        return self.filled_for.clamp(min=0)

    def _last_of(self, active: Tensor) -> Prediction | None:
        """The last prediction, of the rows that are left of those that it was for."""
        if self._last is None:
            return None
        numbers, last = self._last
        if numbers is active:
            return last
        place = torch.searchsorted(numbers, active)
        parts = {
            name: value[place]
            for name in ("token", "confidence", "scores", "normaliser", "seen", "credit")
            if (value := getattr(last, name)) is not None
        }
        return replace(last, **parts)


def _spread(values: Tensor, active: Tensor, like: Tensor) -> Tensor:
    """The values [b, R] of some rows among zeros for the others, [B, R]."""
    return torch.zeros_like(like).index_copy(0, active, values)


def _stacked(values: list[Tensor], like: Tensor) -> Tensor:
    """S tensors [B, R] as one [S, B, R], also where there is none."""
    return torch.stack(values) if values else like.new_zeros(0, *like.shape)
