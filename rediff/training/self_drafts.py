"""Self-drafts on policy: a model's own mistakes in place of random words, made anew in each step.

The positions that Stage I breaks at random are hidden together, and the model, as it is at that
step, writes them at once, as a sampler writes several words in a step:

    x_i ~ p(. | y without the broken positions S, v, c)        for i in S

Its errors stay visible, with the true word as the target; its right words are kept as right.
Each further turn predicts all of them again with the written words visible, as revision does. No
gradient flows through them (ProSeCo, arXiv 2602.11590; SCOPE, arXiv 2606.01026).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rediff.decoding.canvas import SpecialIds, banned_ids
from rediff.training.collator import Batch, canvas_logits
from rediff.training.corruption import TokenRole

STRIDE = 0.6180339887
"""Between the random numbers of two turns, modulo 1: no two turns have the same."""


@dataclass(frozen=True)
class SelfDrafts:
    """Writes the broken positions of a batch (`TokenRole.SYNTAX`) by the model itself.

    `turns`: forward passes; the first fills the masks, each further one revises the words.
    """

    ids: SpecialIds
    turns: int

    @torch.no_grad()
    def __call__(self, model: nn.Module, batch: Batch) -> Batch:
        """The batch with other words there, and `CLEAN` where they are right.

        Args:
            model: gives logits, see `canvas_logits`; weights and mode stay as they are.
            batch: with `draws`, uniform random numbers, float32 [B, R].
        """
        broken = batch["role"] == TokenRole.SYNTAX
        written = torch.full_like(batch["target"], self.ids.mask)
        for turn in range(self.turns):
            seen = {**batch, "sequences": _with(batch["sequences"], written, broken)}
            scores = canvas_logits(model, seen)[broken].float()
            scores.index_fill_(-1, banned_ids(self.ids, scores.device), -torch.inf)
            draws = (batch["draws"][broken] + turn * STRIDE) % 1
            written[broken] = drawn(scores.softmax(dim=-1), draws)
        right = broken & (written == batch["target"])
        return {
            **batch,
            "sequences": _with(batch["sequences"], written, broken),
            "role": batch["role"].masked_fill(right, TokenRole.CLEAN),
        }


def drawn(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """The first word at which the sum of the probabilities is above a random number, int64 [N].

    Args:
        probabilities: of N distributions, float [N, V].
        uniform: from 0 to below 1, float [N].

    Examples:
        >>> drawn(torch.tensor([[0.2, 0.0, 0.8]]).expand(3, 3), torch.tensor([0.1, 0.2, 0.99]))
        tensor([0, 2, 2])
    """
    sums = probabilities.double().cumsum(dim=-1)
    above = uniform.to(sums)[:, None] * sums[:, -1:]
    return torch.searchsorted(sums, above, right=True)[:, 0].clamp(max=sums.size(1) - 1)


def _with(sequences: Sequence[Sequence[int]], written: Tensor, where: Tensor) -> list[list[int]]:
    """The sequences with other tokens at some positions of their canvases, which end them."""
    found = [list(sequence) for sequence in sequences]
    length = written.size(1)
    for row, place in where.nonzero().tolist():
        found[row][place - length] = int(written[row, place])
    return found
