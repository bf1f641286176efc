"""Random draws of a decoding, the same for a row whatever batch it is in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor


class Keys(Protocol):
    """A number for each row of a batch, asked for by whoever draws."""

    def __getitem__(self, row: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Noise:
    """The draws of one denoising step for some rows of a batch.

    `seed`: of the sampler. `keys`: a number of each row of the batch that tells its picture and
    prompt from others. `step`: the block and the step in it, which do not depend on when other rows
    are done. `rows`: numbers of the b rows.
    """

    seed: int
    keys: Keys
    step: tuple[int, int]
    rows: Sequence[int]

    def of_each(self) -> list[Noise]:
        """The draws of each row alone."""
        return [replace(self, rows=[row]) for row in self.rows]

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Numbers in [0, 1), float64 [b, *shape], on the CPU.

        Args:
            purpose: another one gives other draws.
            *shape: of each row.
        """
        drawn = []
        for row in self.rows:
            text = f"{self.seed}/{self.keys[row]}/{self.step}/{purpose}"
            digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
            drawn.append(torch.rand(shape, generator=generator, dtype=torch.float64))
        return torch.stack(drawn)


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise, -log(-log u), for uniform numbers u; u = 0 counts as the smallest
    number above it."""
    smallest = torch.finfo(uniform.dtype).tiny
    return -torch.log(-torch.log(uniform.clamp(min=smallest)))


def draw_tokens(scores: Tensor, temperature: float, top_p: float, noise: Noise) -> Tensor:
    """argmax_v scores_v + T g_v, a row at a time: float64 noise for all would be large.

    Args:
        scores: log p up to a constant of each position, float32 [B, R, V].
        temperature: T, above 0.
        top_p: the share of p^(1 / T) that the tokens have which can be drawn.
        noise: of the step, of B rows.

    Returns:
        int64 [B, R].
    """
    tokens = []
    for row, draws in zip(scores, noise.of_each(), strict=True):
        drawn = gumbel(draws.uniform("token", *row.shape))[0].to(row.device)
        left = _nucleus(row, temperature, top_p) if top_p < 1 else row
        tokens.append((left.double() + temperature * drawn).argmax(dim=-1))
    return torch.stack(tokens)


def _nucleus(scores: Tensor, temperature: float, share: float) -> Tensor:
    """The scores of the likeliest tokens until they have a share of p^(1 / T), -inf elsewhere."""
    p, order = (scores / temperature).softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    kept = torch.empty_like(p, dtype=torch.bool).scatter_(-1, order, p.cumsum(dim=-1) - p < share)
    return scores.masked_fill(~kept, -torch.inf)
