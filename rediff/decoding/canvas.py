"""The response being written, and what one forward pass says about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialIds:
    """Token ids that decoding treats apart.

    `mask` marks positions not yet written, `stop` ends the response, `banned` are never proposed
    (`mask` is always among them). `frame`: start and end of text and of a header, the only ids
    that the official code never proposes.
    """

    mask: int
    stop: int
    banned: tuple[int, ...] = ()
    frame: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Canvas:
    """Responses under construction.

    `tokens`: int64 [B, R]; `mask` stands wherever `masked` is set, but only `masked` is ever asked.
    `masked`: bool [B, R]. `done`: bool [B], rows that no step changes any more. The prompt is not
    part of a canvas and so cannot be edited.
    """

    tokens: Tensor
    masked: Tensor
    done: Tensor
    ids: SpecialIds

    @classmethod
    def blank(
        cls, rows: int, length: int, ids: SpecialIds, *, device: torch.device | str = "cpu"
    ) -> Canvas:
        """A fully masked canvas of `rows` responses of `length` tokens."""
        return cls(
            torch.full((rows, length), ids.mask, device=device),
            torch.ones((rows, length), dtype=torch.bool, device=device),
            torch.zeros(rows, dtype=torch.bool, device=device),
            ids,
        )

    def given(self, row: int, answer: Sequence[int]) -> Canvas:
        """The canvas with `answer` written over the first positions of a row, visible.

        Raises ValueError if the answer is longer than the canvas.
        """
        if len(answer) > self.tokens.size(1):
            raise ValueError(
                f"the given answer has {len(answer)} tokens, the canvas {self.tokens.size(1)}"
            )
        tokens, masked = self.tokens.clone(), self.masked.clone()
        tokens[row, : len(answer)] = torch.tensor(list(answer), device=tokens.device)
        masked[row, : len(answer)] = False
        return Canvas(tokens, masked, self.done, self.ids)

    def stop_position(self) -> Tensor:
        """Position of each row's first visible stop token, R where there is none; int64 [B]."""
        stops = (self.tokens == self.ids.stop) & ~self.masked
        length = self.tokens.size(1)
        positions = torch.arange(length, device=stops.device).expand_as(stops)
        return torch.where(stops, positions, length).amin(dim=1)

    def before_stop(self) -> Tensor:
        """Positions left of each row's first stop token; bool [B, R]."""
        positions = torch.arange(self.tokens.size(1), device=self.tokens.device)
        return positions < self.stop_position()[:, None]

    def responses(self) -> list[list[int]]:
        """The written tokens of each row, up to its stop token (left out)."""
        ends = self.stop_position().tolist()
        return [row[:end] for row, end in zip(self.tokens.tolist(), ends, strict=True)]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One forward pass, reduced: the proposal at each position and how sure the model is of it.

    `token`: int64 [B, R], the argmax over ids that may be proposed. `confidence`: float32 [B, R],
    its softmax probability.
    """

    token: Tensor
    confidence: Tensor


class NotFiniteError(ValueError):
    """A model's logits are not finite, so nothing it says means anything."""


def check_finite(numbers: Tensor) -> None:
    """Raises NotFiniteError if one of the numbers is infinite or none."""
    if not bool(numbers.isfinite().all()):
        raise NotFiniteError(
            "the model's logits are not finite: its weights are broken, or its numbers too large"
            " for this precision"
        )


def weigh(logits: Tensor, ids: SpecialIds, *, majority_stop: bool = False) -> Evidence:
    """Evidence from logits [B, R, V] at temperature 0.

    Banned ids are taken out before the softmax, which is computed in float32. With
    `majority_stop` the stop token is proposed only where it has more than half of the probability:
    "does the response end before here?" is one question, and the words that say no are many, so
    the plain argmax answers yes far too early wherever the next word is open. Raises NotFiniteError
    for logits that are no numbers.
    """
    scores = logits.float()
    banned = torch.tensor([ids.mask, *ids.banned], device=scores.device)
    scores = scores.index_fill(-1, banned, -torch.inf)
    normaliser = scores.logsumexp(dim=-1)
    check_finite(normaliser)
    if majority_stop:
        likely = scores[..., ids.stop] - normaliser > math.log(0.5)
        scores[..., ids.stop].masked_fill_(~likely, -torch.inf)
    best, token = scores.max(dim=-1)
    return Evidence(token, torch.exp(best - normaliser))
