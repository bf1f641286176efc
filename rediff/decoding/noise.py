"""Random draws of a decoding, the same for a row whatever batch it is in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Noise:
    """The draws of one denoising step.

    `seed`: of the sampler. `keys`: a number of each row that tells its picture and prompt from
    others. `step`: the block and
    the step in it, which do not depend on when other rows are done.
    """

    seed: int
    keys: Sequence[int]
    step: tuple[int, int]

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Numbers in [0, 1), float64 [b, *shape], on the CPU.

        Args:
            purpose: another one gives other draws.
            *shape: of each row.
        """
        rows = []
        for key in self.keys:
            text = f"{self.seed}/{key}/{self.step}/{purpose}"
            digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
            rows.append(torch.rand(shape, generator=generator, dtype=torch.float64))
        return torch.stack(rows)


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise, -log(-log u), for uniform numbers u; u = 0 counts as the smallest
    number above it."""
    smallest = torch.finfo(uniform.dtype).tiny
    return -torch.log(-torch.log(uniform.clamp(min=smallest)))
