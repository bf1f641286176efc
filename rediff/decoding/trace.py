"""What happened at every denoising step, for people and for statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """One denoising step of a batch, after it was applied.

    `tokens` int64, `masked` bool, `confidence` float32, `committed` bool, `revised` bool (the
    token differs from the one that stood there), all [B, R], on the CPU. `active` bool [B].
    """

    tokens: Tensor
    masked: Tensor
    confidence: Tensor
    committed: Tensor
    revised: Tensor
    active: Tensor


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of one response.

    `tokens` int64, `masked`, `committed`, `revised` bool, `confidence` float32, all [steps, R].
    `words`: the tokens as text, [steps][R], where a captioner made the trace.
    """

    tokens: Tensor
    masked: Tensor
    confidence: Tensor
    committed: Tensor
    revised: Tensor
    words: Sequence[Sequence[str]] = ()

    @property
    def revisions(self) -> int:
        """How many times a visible token was replaced by another."""
        return int(self.revised.sum())


def row_trace(steps: Sequence[Step], row: int) -> Trace:
    """The trace of one row, up to the step that finished it."""
    own = [step for step in steps if step.active[row]]

    def over_steps(name: str) -> Tensor:
        return torch.stack([getattr(step, name)[row] for step in own])

    return Trace(
        over_steps("tokens"),
        over_steps("masked"),
        over_steps("confidence"),
        over_steps("committed"),
        over_steps("revised"),
    )
