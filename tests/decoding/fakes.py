"""A denoiser without a model, whose rows do not depend on one another."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from rediff.decoding.canvas import Canvas, SpecialIds
from rediff.decoding.denoiser import Denoiser
from rediff.decoding.loop import Decoded
from rediff.decoding.sampler import Sampler

VOCABULARY = 12
MASK, STOP, PAD = 10, 11, 9
IDS = SpecialIds(mask=MASK, eos=STOP, banned=(PAD,), official_banned=(PAD,))


def decode(
    denoiser: Denoiser, canvas: Canvas, sampler: Sampler, steps: int, *, trace: bool = False
) -> Decoded:
    """Runs a sampler."""
    return sampler.decode(denoiser, canvas, steps, trace=trace)


class FakeDenoiser:
    """Logits from a token, its neighbours and its place, by random tables."""

    passes = 1

    def __init__(self, seed: int, rows: int, length: int, *, stop_bias: float = -1.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.own, self.left, self.right = (
            torch.randn(VOCABULARY, VOCABULARY, generator=generator) for _ in range(3)
        )
        self.place = torch.randn(rows, length, VOCABULARY, generator=generator)
        self.place[..., STOP] += stop_bias
        self.prompt_lengths = torch.arange(rows)
        self.keys = list(range(rows))
        self.calls = 0

    def alone(self, row: int) -> FakeDenoiser:
        """The same for one of its rows."""
        denoiser = copy.copy(self)
        denoiser.place, denoiser.keys = self.place[row : row + 1], self.keys[row : row + 1]
        denoiser.prompt_lengths = self.prompt_lengths[row : row + 1]
        denoiser.calls = 0
        return denoiser

    def refreshed(self, every: int | None) -> Denoiser:
        return self

    def opening(self, response: int) -> Tensor | None:
        return None

    def under_full_attention(self) -> Denoiser:
        return self

    def leave_one_out(self, tokens: Tensor, rows: Tensor, *, mask: int) -> Tensor:
        """What a mask in each place would be told: a position sees its neighbours and itself."""
        return torch.cat([self(tokens, rows), self._told(self.own[mask], tokens, rows)], dim=1)

    def doubts(self, logits: Tensor, *, mask: int) -> Tensor:
        return logits[..., mask].sigmoid()

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        self.calls += 1
        return self._told(self.own[tokens], tokens, rows)

    def _told(self, own: Tensor, tokens: Tensor, rows: Tensor) -> Tensor:
        return (
            own
            + self.left[tokens.roll(1, dims=1)]
            + self.right[tokens.roll(-1, dims=1)]
            + self.place[rows]
        )
