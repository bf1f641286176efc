"""The training losses: cross-entropy, averaged apart for each kind of position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rediff.training.corruption import Kind

Weighting = Literal["uniform", "paper", "official", "llada"]
"""How a token's loss counts.

`uniform`: each kind is a mean over its tokens in the batch. `paper`: the same, divided by the
row's mask level (equation 3 of arXiv 2510.19871). For masks, 1/t makes the sum a bound on the
likelihood; for visible tokens it has no such ground and only adds variance. `official`: what the
authors' code computes for both stages, a mean over the tokens of each row first, divided by its
level for every kind (weights up to 1000), then over rows. `llada`: masks alone, divided by the
level and by the number of supervised tokens of the row, as LLaDA is fine-tuned (arXiv 2502.09992,
algorithm 2) and the authors' code is without revision.
"""


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
    if weighting != "uniform":
        losses = losses / level[:, None]
    present = [k for k in Kind if k is not Kind.IGNORED and bool((kind == k).any())]
    if weighting in ("uniform", "paper"):
        return {k: losses[kind == k].mean() for k in present}
    if weighting == "official":
        return {k: _mean_of_rows(losses, kind == k, (kind == k).sum(dim=1)) for k in present}
    supervised = (kind != Kind.IGNORED).sum(dim=1)
    return {Kind.MASK: _mean_of_rows(losses, kind == Kind.MASK, supervised)}


def _mean_of_rows(losses: Tensor, chosen: Tensor, count: Tensor) -> Tensor:
    """Mean over rows of the sum of the chosen losses divided by `count` [B]; none counts 0."""
    return ((losses * chosen).sum(dim=1) / count.clamp(min=1)).mean()


def total_loss(parts: Mapping[Kind, Tensor], weights: Mapping[Kind, float]) -> Tensor:
    """Weighted sum of the parts; a kind without a weight counts 1 (the paper's plain sum)."""
    return torch.stack([weights.get(kind, 1.0) * part for kind, part in parts.items()]).sum()
