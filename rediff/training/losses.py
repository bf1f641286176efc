"""The training losses: cross-entropy, with a mean of its own for each role of a position.

For the positions P_k of role k in a global batch, with x the visible text, y the target, v the
image and c the prompt:

    L = sum_k w_k / |P_k| * sum_{i in P_k} -log p(y_i | x, v, c)        weighting "uniform"

Stage I sums the roles MASK, SYNTAX, HALLUCINATION and CLEAN (equation 3 of arXiv 2510.19871);
Stage II adds EDIT (section 3.2 there) and KEEP, which the paper leaves out (w_keep = 0): without it
a model unlearns to keep right words. `Weighting` lists the other forms. A global batch
is computed by several processes and in several micro-batches, so the sums (`loss_sums`) and their
divisors (`loss_counts`) are separate: both can be added up before the division.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rediff.training.corruption import TokenRole

Weighting = Literal["uniform", "paper", "official", "llada"]
"""How the loss of a token is weighted. With t the mask level of its row:

`uniform`: a mean over the tokens of each role.
`paper`: the same with each token divided by t (equation 3 of arXiv 2510.19871). For masks, 1/t
makes the sum a bound on the likelihood; for visible tokens it has no such reason and only adds
variance. Positions that are always masked (the padding after eos) are divided by 1, because
divided by t they would be nearly all of the loss of a short answer on a long canvas.
`official`: as the authors' code computes both stages: a mean over the tokens of each row, divided
by t for every role (weights up to 1000), then a mean over rows.
`llada`: masks only, each divided by t and by the supervised tokens of its row, as LLaDA is
fine-tuned (arXiv 2502.09992, algorithm 2) and as the authors' code trains without revision.
"""


WRONG = (TokenRole.SYNTAX, TokenRole.HALLUCINATION, TokenRole.EDIT)
RIGHT = (TokenRole.CLEAN, TokenRole.KEEP)
"""The roles of visible tokens."""


def loss_sums(
    logits: Tensor,
    target: Tensor,
    role: Tensor,
    level: Tensor,
    *,
    weighting: Weighting = "uniform",
    certain: Tensor | None = None,
    errors: ErrorLoss | None = None,
) -> Tensor:
    """The numerators of the loss: cross-entropy summed over the tokens of each role.

    Args:
        logits: [B, R, V] of any float dtype; the cross-entropy is computed in float32.
        target: the right tokens, int64 [B, R].
        role: a `TokenRole` for each position, int64 [B, R]. `IGNORED` positions sum to 0, and
            their logits do not matter.
        level: the mask level t of each row, float [B].
        weighting: see `Weighting`.
        certain: positions that are masked at every level, bool [B, R]; None for none.
        errors: a loss added where a visible token is right or wrong; None for none.

    Returns:
        float32 [len(TokenRole)], to be divided by `loss_counts`.

    Examples:
        >>> role = torch.tensor([[TokenRole.MASK, TokenRole.CLEAN, TokenRole.IGNORED]])
        >>> sums = loss_sums(torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]]), role, torch.ones(1))
        >>> loss_parts(sums, loss_counts(role))[[TokenRole.MASK, TokenRole.CLEAN]]  # log 4
        tensor([1.3863, 1.3863])
    """
    chosen = role != TokenRole.IGNORED
    losses = torch.zeros(role.shape, device=logits.device)
    scores = logits[chosen].float()
    if errors is None:
        losses[chosen] = F.cross_entropy(scores, target[chosen], reduction="none")
    else:
        words = F.cross_entropy(errors.without(scores), target[chosen], reduction="none")
        losses[chosen] = words + errors(scores, role[chosen])
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


@dataclass(frozen=True)
class ErrorLoss:
    """Trains a model to say which visible tokens are wrong, by the logit of the mask's id.

        w * -log sigmoid(e_i) where token i is wrong, w * -log sigmoid(-e_i) where it is right

    It is added to the cross-entropy of these positions, and so has a mean for each role: the many
    tokens that are right do not outweigh the few that are wrong (PRISM, arXiv 2510.01384). That
    logit is left out of the cross-entropy. `mask`: the mask's id. `weight`: w.
    """

    mask: int
    weight: float

    def __call__(self, scores: Tensor, role: Tensor) -> Tensor:
        """The loss of each token, float32 [N]; 0 where none is visible.

        Args:
            scores: logits, float32 [N, V].
            role: a `TokenRole` for each token, int64 [N].

        Examples:
            >>> role = torch.tensor([TokenRole.MASK, TokenRole.CLEAN, TokenRole.SYNTAX])
            >>> ErrorLoss(mask=0, weight=0.5)(torch.zeros(3, 4), role)  # half of log 2
            tensor([0.0000, 0.3466, 0.3466])
        """
        wrong = torch.isin(role, role.new_tensor(WRONG))
        visible = wrong | torch.isin(role, role.new_tensor(RIGHT))
        said = scores[:, self.mask]
        found = F.binary_cross_entropy_with_logits(said, wrong.to(said), reduction="none")
        return self.weight * found * visible

    def without(self, scores: Tensor) -> Tensor:
        """The logits [N, V] with that of the mask out of the way, as no word's probability hangs on
        it."""
        mask = torch.tensor([self.mask], device=scores.device)
        return scores.index_fill(-1, mask, -1e9)


def loss_counts(role: Tensor, *, weighting: Weighting = "uniform") -> Tensor:
    """The denominators of the loss: |P_k|, the tokens of each role; for some weightings the rows.

    Args:
        role: a `TokenRole` for each position of the batch, int64 [B, R].
        weighting: "uniform" and "paper" count tokens, the others count rows.

    Returns:
        float32 [len(TokenRole)].
    """
    if weighting in ("uniform", "paper"):
        return torch.bincount(role.flatten(), minlength=len(TokenRole)).float()
    return torch.full((len(TokenRole),), float(len(role)), device=role.device)


def loss_parts(sums: Tensor, counts: Tensor) -> Tensor:
    """The mean loss of each role, float32 [len(TokenRole)]; 0 rather than nan for a role
    without tokens.

    Args:
        sums: of `loss_sums`, added up over the global batch.
        counts: of `loss_counts`, added up over the global batch.
    """
    return sums / counts.where(counts > 0, 1)


def weights_of(weights: Mapping[TokenRole, float]) -> Tensor:
    """w_k of each role, float32 [len(TokenRole)]: 1 where none is given, which is the paper's sum,
    and 0 for `IGNORED`."""
    return torch.tensor([0.0 if k is TokenRole.IGNORED else weights.get(k, 1.0) for k in TokenRole])
