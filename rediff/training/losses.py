"""The training losses: cross-entropy, averaged apart for each kind of position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rediff.training.corruption import Kind

Weighting = Literal["uniform", "paper"]
"""`paper`: every token's loss is divided by its row's mask level (equation 3 of arXiv 2510.19871,
and the official code, which divides visible tokens too: weights up to 1000). `uniform`: no
division. For masks, 1/t makes the sum a bound on the likelihood; for visible tokens it has no
such ground and only adds variance."""


def loss_parts(
    logits: Tensor,
    target: Tensor,
    kind: Tensor,
    level: Tensor,
    *,
    weighting: Weighting = "uniform",
) -> dict[Kind, Tensor]:
    """Mean cross-entropy over the tokens of each kind that occurs.

    `logits` [B, R, V], `target` int64 [B, R], `kind` int64 [B, R] of `Kind`, `level` float [B].
    `IGNORED` positions have no part; a kind that does not occur is left out rather than nan.
    """
    losses = F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), reduction="none")
    losses = losses.view_as(target)
    if weighting == "paper":
        losses = losses / level[:, None]
    present = [k for k in Kind if k is not Kind.IGNORED and bool((kind == k).any())]
    return {k: losses[kind == k].mean() for k in present}


def total_loss(parts: Mapping[Kind, Tensor], weights: Mapping[Kind, float]) -> Tensor:
    """Weighted sum of the parts; a kind without a weight counts 1 (the paper's plain sum)."""
    return torch.stack([weights.get(kind, 1.0) * part for kind, part in parts.items()]).sum()
