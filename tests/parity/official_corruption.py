"""The authors' corruption of a training sample, its random draws given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rediff.training.corruption import Corrupted, TokenRole

LOWEST_LEVEL = 1e-3
SYNTAX_RATE = 0.05


@dataclass(frozen=True, slots=True)
class Draws:
    """Everything random in one batch: uniform in [0, 1) but for `replacement`.

    `level` float32 [B], `mask` and `corrupt` float32 [B, L], `replacement` int64 [B, L], ids.
    `corrupt` and `replacement` are None where nothing is corrupted (mask-prediction).
    """

    level: Tensor
    mask: Tensor
    corrupt: Tensor | None = None
    replacement: Tensor | None = None


def corrupt_officially(
    tokens: Tensor, supervised: Tensor, spans: Tensor | None, draws: Draws, *, mask_id: int
) -> Corrupted:
    """What the authors' code shows the model, and the kind of each position.

    `tokens` int64 [B, L]; `supervised` bool [B, L]; `spans` bool [B, L]: segments that are wrong
    as they stand. A row with spans is neither masked nor corrupted, and only its spans are
    trained; in others a position is masked with probability p = (1 - 1e-3) t + 1e-3, and a visible
    one replaced with probability 0.05. To be used with the `official` weighting of the losses, or
    with `llada` where there is neither corruption nor a span.
    """
    level = (1 - LOWEST_LEVEL) * draws.level + LOWEST_LEVEL
    free = torch.ones_like(tokens[:, :1], dtype=torch.bool)
    if spans is not None:
        free = ~spans.any(dim=1, keepdim=True)
    masked = supervised & free & (draws.mask < level[:, None])
    shown = tokens.masked_fill(masked, mask_id)
    kind = torch.where(supervised & free, TokenRole.CLEAN, TokenRole.IGNORED)
    kind = torch.where(masked, TokenRole.MASK, kind)
    if draws.corrupt is not None and draws.replacement is not None:
        broken = supervised & free & ~masked & (draws.corrupt < SYNTAX_RATE)
        shown = torch.where(broken, draws.replacement, shown)
        kind = torch.where(broken, TokenRole.SYNTAX, kind)
    if spans is not None:
        kind = torch.where(spans, TokenRole.HALLUCINATION, kind)
    return Corrupted(shown, kind, level)
