"""The response under construction, and the prediction of one forward pass for it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rediff.decoding.noise import Noise, draw_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialIds:
    """Token ids with a meaning of their own in decoding.

    `mask` marks positions that are not written yet and `eos` ends the response. `banned` ids are
    never predicted; `mask` always belongs to them. `official_banned`: the only ids that the
    code of ReDiff's authors never predicts (start and end of text, start and end of a header).
    `unnamed`: the ids that name no token of text, the image token among them, which LaViDa's
    authors cut off the model.
    """

    mask: int
    eos: int
    banned: tuple[int, ...] = ()
    official_banned: tuple[int, ...] = ()
    unnamed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Canvas:
    """A batch of responses under construction. The prompt is not part of it and cannot be edited.

    `tokens`: int64 [B, R]. `masked`: bool [B, R], the positions that are not written yet; their
    token is `ids.mask`, but only `masked` is ever asked. `done`: bool [B], rows that no step
    changes any more.

    Examples:
        >>> ids = SpecialIds(mask=9, eos=1)
        >>> canvas = Canvas.blank(1, 4, ids).prefill(0, [5, 6, 1])
        >>> canvas.responses(), canvas.masked.tolist()
        ([[5, 6]], [[False, False, False, True]])
    """

    tokens: Tensor
    masked: Tensor
    done: Tensor
    ids: SpecialIds

    @classmethod
    def blank(
        cls, rows: int, length: int, ids: SpecialIds, *, device: torch.device | str = "cpu"
    ) -> Canvas:
        """A fully masked canvas.

        Args:
            rows: responses, B.
            length: tokens of each, R.
            ids: the special token ids.
            device: of its tensors.
        """
        return cls(
            torch.full((rows, length), ids.mask, device=device),
            torch.ones((rows, length), dtype=torch.bool, device=device),
            torch.zeros(rows, dtype=torch.bool, device=device),
            ids,
        )

    def prefill(self, row: int, answer: Sequence[int]) -> Canvas:
        """The canvas with an answer visible at the first positions of a row.

        Args:
            row: index of the row.
            answer: token ids; the model continues or revises them.

        Raises:
            ValueError: if the answer is longer than the canvas.
        """
        if len(answer) > self.tokens.size(1):
            raise ValueError(
                f"the prefilled answer has {len(answer)} tokens, the canvas {self.tokens.size(1)}"
            )
        tokens, masked = self.tokens.clone(), self.masked.clone()
        tokens[row, : len(answer)] = torch.tensor(list(answer), device=tokens.device)
        masked[row, : len(answer)] = False
        return Canvas(tokens, masked, self.done, self.ids)

    def eos_position(self) -> Tensor:
        """Position of each row's first visible eos token, R where there is none; int64 [B]."""
        is_eos = (self.tokens == self.ids.eos) & ~self.masked
        length = self.tokens.size(1)
        positions = torch.arange(length, device=is_eos.device).expand_as(is_eos)
        return torch.where(is_eos, positions, length).amin(dim=1)

    def before_eos(self) -> Tensor:
        """Positions to the left of each row's first eos token; bool [B, R]."""
        positions = torch.arange(self.tokens.size(1), device=self.tokens.device)
        return positions < self.eos_position()[:, None]

    def visible(self) -> Tensor:
        """Written positions up to and with each row's first eos token; bool [B, R]."""
        positions = torch.arange(self.tokens.size(1), device=self.tokens.device)
        return ~self.masked & (positions <= self.eos_position()[:, None])

    def words(self) -> Tensor:
        """Visible positions without the eos token; bool [B, R]."""
        return self.visible() & (self.tokens != self.ids.eos)

    def responses(self) -> list[list[int]]:
        """The tokens of each row up to its eos token, which is left out."""
        ends = self.eos_position().tolist()
        return [row[:end] for row, end in zip(self.tokens.tolist(), ends, strict=True)]


@dataclass(frozen=True, slots=True)
class Past:
    """The rules' view of earlier passes; tensors of the b rows that are decoded.

    `written`: float32 [b, R], the confidence with which each visible token was written, 0 for a
    mask. `remasked`: int64 [b, R], how often each position was masked again. Of the S earlier steps
    of the block: `token`, int64 [S, b, R], and `confidence`, float32 [S, b, R], of the predictions,
    and `visible_probability`, float32 [S, b, R], that of the visible tokens, 0 for masks.
    `last`: the prediction of the step before, with its distributions; `drift`, float32
    [S, b, R], how far each distribution was from the one before it, KL(p_s || p_(s-1)) in nats,
    infinite in the first step and up to this one; each only for rules that ask for it.
    """

    written: Tensor
    remasked: Tensor
    token: Tensor
    confidence: Tensor
    visible_probability: Tensor
    last: Prediction | None = None
    drift: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction of one forward pass at each position, and its confidence.

    `token`: int64 [B, R], the argmax over all ids that may be predicted, or drawn where there is a
    temperature. `confidence`: float32 [B, R], its softmax probability; nan where the logits are not
    finite, which `ActiveRows` asks once a step. There while rules are applied, and None otherwise:
    `scores`, float32 [B, R, V], -inf for banned ids; `normaliser` [B, R], their logsumexp;
    `seen`, int64 [B, R], the tokens that the model saw; `noise`, random draws of the step;
    `past`, for rules that say that they use it. `progress`: share of the block's steps that came
    before this one. Further results of a predict rule: `support`, float32 [B, R], the probability
    of the visible tokens where they do not see themselves, nan where that is not known;
    `credit`, float32 [B, R, V], see `WithCredit`; `corrected`, whether this is what a corrector
    says.
    """

    token: Tensor
    confidence: Tensor
    scores: Tensor | None = None
    normaliser: Tensor | None = None
    seen: Tensor | None = None
    noise: Noise | None = None
    past: Past | None = None
    progress: float = 0.0
    support: Tensor | None = None
    credit: Tensor | None = None
    corrected: bool = False

    def log_probabilities(self) -> Tensor:
        """float32 [B, R, V], -inf for banned ids."""
        assert self.scores is not None
        assert self.normaliser is not None
        return self.scores - self.normaliser[..., None]

    def margin(self) -> Tensor:
        """How far the highest probability is above the second, float32 [B, R]."""
        assert self.scores is not None
        assert self.normaliser is not None
        best = (self.scores.topk(2, dim=-1).values - self.normaliser[..., None]).exp()
        return best[..., 0] - best[..., 1]

    def entropy(self) -> Tensor:
        """-sum p log p over the vocabulary in nats, float32 [B, R]."""
        return torch.special.entr(self.log_probabilities().exp()).sum(dim=-1)

    def visible_probability(self) -> Tensor:
        """The probability of the visible tokens, float32 [B, R]; 0 for a mask."""
        assert self.scores is not None
        assert self.normaliser is not None
        assert self.seen is not None
        score = self.scores.gather(-1, self.seen[..., None])[..., 0]
        return (score - self.normaliser).exp()


class NotFiniteError(ValueError):
    """The logits of a model are not finite, so nothing that it predicts means anything."""

    def __init__(self) -> None:
        super().__init__(
            "the model's logits are not finite: its weights are broken, or its numbers too large"
            " for this precision"
        )


def check_finite(numbers: Tensor) -> None:
    """Raises NotFiniteError if any of the numbers is infinite or nan."""
    if not bool(numbers.isfinite().all()):
        raise NotFiniteError


def predict(
    logits: Tensor,
    ids: SpecialIds,
    *,
    majority_eos: bool = False,
    eos_penalty: float = 1.0,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seen: Tensor | None = None,
    noise: Noise | None = None,
) -> Prediction:
    """The prediction, argmax_v p(v) with p = softmax over the ids that are not banned.

    Logits that are not finite give a confidence of nan (0 times infinity), and no error: a
    loop of your own asks `ActiveRows`, or `check_finite` of the confidence.

    Args:
        logits: [B, R, V] of any float dtype; the softmax is computed in float32.
        ids: its `mask` and `banned` ids are taken out before the softmax.
        majority_eos: predict eos only where p(eos) > 1/2. "Does the response end before this
            position?" is one question, and the words that answer no share their probability, so
            that the plain argmax ends responses far too early wherever the next word is open.
        eos_penalty: divides the odds of eos, before all else; above 1 responses end later
            (Tolerator, arXiv 2510.05090).
        temperature: T > 0 draws from p^(1 / T) instead, by argmax_v log p(v) + T g with Gumbel
            noise g in float64 (LLaDA's code); the confidence is p of the drawn token.
        top_p: where there is a temperature, only the likeliest tokens are drawn that together have
            this share of p^(1 / T), the one that reaches it among them (nucleus sampling, arXiv
            1904.09751).
        seen: the tokens that the model saw, int64 [B, R], for rules that ask.
        noise: the step's random draws.

    Examples:
        >>> logits = torch.tensor([[[0.0, 0.9, 1.0, 9.0]]])
        >>> ids = SpecialIds(mask=3, eos=2)
        >>> predict(logits, ids).token.item(), predict(logits, ids, majority_eos=True).token.item()
        (2, 1)
    """
    scores = logits.to(torch.float32, copy=True)
    scores.index_fill_(-1, banned_ids(ids, logits.device), -torch.inf)
    if eos_penalty != 1.0:
        scores[..., ids.eos] -= math.log(eos_penalty)
    normaliser = scores.logsumexp(dim=-1)
    if majority_eos:
        ends = scores[..., ids.eos].clone()
        likely = ends - normaliser > math.log(0.5)
        scores[..., ids.eos].masked_fill_(~likely, -torch.inf)
    if temperature > 0:
        assert noise is not None
        token = draw_tokens(scores, temperature, top_p, noise)
        best = scores.gather(-1, token[..., None])[..., 0]
    else:
        best, token = scores.max(dim=-1)
    if majority_eos:
        scores[..., ids.eos] = ends
    confidence = torch.exp(best - normaliser) + 0 * normaliser
    return Prediction(token, confidence, scores, normaliser, seen, noise)


@functools.cache
def banned_ids(ids: SpecialIds, device: torch.device) -> Tensor:
    """The ids that are never predicted, int64.

    Args:
        ids: of a model.
        device: of the tensor.
    """
    return torch.tensor([ids.mask, *ids.banned], device=device)
