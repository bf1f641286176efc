"""A record of every denoising step, for people and for statistics."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """One denoising step of a batch, after it was applied; on the CPU where others are given it.

    `tokens`: int64 [B, R]. `masked`: bool [B, R]. `confidence`: float32 [B, R], of the
    predictions, 0 in rows that were not decoded. `unmasked`, `revised`: bool [B, R], the masks that
    became tokens and the tokens that became others. `active`: bool [B], the rows decoded.
    """

    tokens: Tensor
    masked: Tensor
    confidence: Tensor
    unmasked: Tensor
    revised: Tensor
    active: Tensor

    def cpu(self) -> Step:
        """The same on the CPU."""
        return Step(*(getattr(self, field.name).cpu() for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of one response.

    `tokens`: int64 [steps, R]. `masked`, `unmasked`, `revised`: bool [steps, R]. `confidence`:
    float32 [steps, R]. `words`: the tokens as text, steps by R, where a captioner made the trace.
    """

    tokens: Tensor
    masked: Tensor
    confidence: Tensor
    unmasked: Tensor
    revised: Tensor
    words: Sequence[Sequence[str]] = ()

    @property
    def revisions(self) -> int:
        """How many times a visible token was replaced by another."""
        return int(self.revised.sum())

    def _repr_html_(self) -> str:
        """For notebooks: the last step, words that were revised on the way in colour."""
        if not self.words:
            return html.escape(repr(self))
        revised = self.revised.any(dim=0).tolist()
        shown = [
            f'<span style="color:#b0307a">{html.escape(word)}</span>' if was else html.escape(word)
            for word, was in zip(self.words[-1], revised, strict=True)
        ]
        return f"<p>{' '.join(shown)}</p><p><small>{html.escape(repr(self))}</small></p>"

    def __repr__(self) -> str:
        steps, length = self.tokens.shape
        return f"Trace({steps} steps, {length} positions, {self.revisions} revisions)"


def row_traces(steps: Sequence[Step]) -> list[Trace]:
    """The trace of each row of a batch: the steps in which it was active.

    Args:
        steps: of the whole batch, at least one; tensors [B, R], on any device.

    Returns:
        B traces, tensors [S, R] on the CPU over the row's own S steps.
    """

    def over_steps(name: str) -> Tensor:
        return torch.stack([getattr(step, name) for step in steps]).cpu()

    tokens, masked, confidence = map(over_steps, ("tokens", "masked", "confidence"))
    unmasked, revised, active = map(over_steps, ("unmasked", "revised", "active"))
    own = [(active[:, row], row) for row in range(active.size(1))]
    return [Trace(tokens[at], masked[at], confidence[at], unmasked[at], revised[at]) for at in own]
