"""The training losses: cross-entropy, averaged apart for each role of position.

Sums and what they are divided by are apart, since a global batch is computed in several places and
several times: sums are added where they arise, counts are added over all of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rediff.training.corruption import TokenRole

Weighting = Literal["uniform", "paper", "official", "llada"]
"""How a token's loss counts.

`uniform`: each role is a mean over its tokens in the batch. `paper`: the same, divided by the
row's mask level (equation 3 of arXiv 2510.19871). For masks, 1/t makes the sum a bound on the
likelihood; for visible tokens it has no such ground and only adds variance. What is masked with
probability 1 whatever the level, the padding behind the stop, is divided by 1: by t it would be
nearly all of the loss of a short answer on a long canvas. `official`: what the
authors' code computes for both stages, a mean over the tokens of each row first, divided by its
level for every role (weights up to 1000), then over rows. `llada`: masks alone, divided by the
level and by the number of supervised tokens of the row, as LLaDA is fine-tuned (arXiv 2502.09992,
algorithm 2) and the authors' code is without revision.
"""


def loss_sums(
    logits: Tensor, target: Tensor, role: Tensor, level: Tensor, *,
    weighting: Weighting = "uniform", certain: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Cross-entropy summed over the tokens of each role, float32 [len(TokenRole)].

    `logits` [B, R, V], `target` int64 [B, R], `role` int64 [B, R] of `TokenRole`, `level` float
    [B], `certain` bool [B, R]: positions masked whatever the level, None for none. To be divided
    by `loss_counts`. `IGNORED` positions sum to 0, and their logits do not matter.
    """
    chosen = role != TokenRole.IGNORED
    losses = torch.zeros(role.shape, device=logits.device)
    losses[chosen] = F.cross_entropy(logits[chosen].float(), target[chosen], reduction="none")
    if weighting != "uniform":
        chance = level[:, None].expand_as(losses)
        if weighting == "paper" and certain is not None:
            chance = chance.masked_fill(certain, 1.0)
        losses = losses / chance
    if weighting == "official":
        own = torch.stack([(role == k).sum(dim=1) for k in TokenRole])
        losses = losses / own.gather(0, role.T).T.clamp(min=1)
    if weighting == "llada":
        losses = losses * (role == TokenRole.MASK) / chosen.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.stack([losses.where(role == k, 0).sum() for k in TokenRole])


def loss_counts(role: Tensor, *, weighting: Weighting = "uniform") -> Tensor:
    """What the sums of a batch `role` int64 [B, R] are divided by, float32 [len(TokenRole)].

    Tokens of each role, or rows; 0 where there is nothing to divide.
    """
    if weighting in ("uniform", "paper"):
        return torch.bincount(role.flatten(), minlength=len(TokenRole)).float()
    return torch.full((len(TokenRole),), float(len(role)), device=role.device)


def loss_parts(sums: Tensor, counts: Tensor) -> Tensor:
    """The mean loss of each role, float32 [len(TokenRole)]; 0 rather than nan where it has no
    token."""
    return sums / counts.where(counts > 0, 1)


def weights_of(weights: Mapping[TokenRole, float]) -> Tensor:
    """The weight of each role's part in the loss, float32 [len(TokenRole)]; 1 where none is given.

    All ones are the paper's plain sum.
    """
    return torch.tensor([0.0 if k is TokenRole.IGNORED else weights.get(k, 1.0) for k in TokenRole])
