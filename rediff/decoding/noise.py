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
