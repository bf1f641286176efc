"""True answers with words that the model itself writes wrong when it writes several at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rediff.captioners.diffusion import prompted_denoiser
from rediff.decoding.canvas import SpecialIds, predict
from rediff.decoding.support import Logits, hidden_support
from rediff.decoding.unmask import top_ranked
from rediff.training.corruption import after_eos
from rediff.training.draft_records import Draft
from rediff.training.drafting import Drafter, DraftRequest
from rediff.training.examples import ExampleMaker


@dataclass(frozen=True, slots=True)
class Fill:
    """How a true answer is masked and filled.

    A level is drawn evenly from `levels`, and each word is masked with that probability. In each of
    `turns` the model writes the `at_once` masks that it is surest of, side by side, as a sampler
    does. Words still masked then become the true ones again.

    A word that it wrote otherwise than the answer may be as good: another order, another true
    detail. So it stays only where the rest of the text decides: hidden in the true answer, the true
    word is likelier than `sure`, and hidden among what was written, the written word less likely
    than 1 - `sure` (see `hidden_support`, of which each takes `parts` passes). Elsewhere the true
    word is put back.
    """

    levels: tuple[float, float] = (0.3, 1.0)
    at_once: int = 8
    turns: int = 1
    sure: float = 0.5
    parts: int = 4

    @property
    def passes(self) -> int:
        """Forward passes that an answer takes."""
        return self.turns + 2 * self.parts


def fill(
    how: Fill, logits: Logits, target: Tensor, ids: SpecialIds, draws: Sequence[torch.Generator]
) -> Tensor:
    """The answers with words that the model surely writes wrong in their place, int64 [b, R].

    Args:
        how: levels and numbers.
        logits: of the model, for the pictures and prompts of these answers.
        target: the true answers, int64 [b, R], filled up with eos tokens.
        ids: the special ids.
        draws: a generator for each row, so that a row is the same in every batch.
    """
    words = (target != ids.eos) & ~after_eos(target, ids.eos)
    drawn = torch.stack([torch.rand(target.size(1) + 1, generator=row) for row in draws])
    lowest, highest = how.levels
    level = lowest + (highest - lowest) * drawn[:, :1]
    masked = words & (drawn[:, 1:] < level).to(words.device)
    tokens = target.masked_fill(masked, ids.mask)
    quota = torch.full((len(target),), how.at_once, device=target.device)
    for _ in range(how.turns):
        said = predict(logits(tokens), ids)
        written = top_ranked(said.confidence, masked & (said.token != ids.eos), quota)
        tokens = torch.where(written, said.token, tokens)
        masked = masked & ~written
    draft = torch.where(masked, target, tokens)
    right = hidden_support(logits, target, words, ids, how.parts)
    wrong = hidden_support(logits, draft, words, ids, how.parts)
    assert right.support is not None
    assert wrong.support is not None
    surely = (draft != target) & (right.support > how.sure) & (wrong.support < 1 - how.sure)
    return torch.where(surely, draft, target)


class Filler(Drafter):
    """Drafts that are the true answers of requests, as `maker` spells them, filled; `seed` is that
    of all draws."""

    def __init__(self, maker: ExampleMaker, how: Fill, batch_size: int, seed: int) -> None:
        super().__init__(maker.checkpoint, batch_size)
        self.maker, self.how, self.seed = maker, how, seed

    @torch.inference_mode()
    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """The drafts; the answers must fit the canvas."""
        checkpoint, how = self.checkpoint, self.how
        denoiser = prompted_denoiser(checkpoint, [request.asked() for request in requests])
        rows = torch.arange(len(requests))
        answers = [
            self.maker.answers([r.item.dialogues[r.dialogue]], r.item.id)[0].response
            for r in requests
        ]
        target = torch.stack(answers).to(checkpoint.model.device)
        filled = fill(
            replace(how, at_once=requests[0].tokens_per_step),
            lambda tokens: denoiser(tokens, rows),
            target,
            checkpoint.ids,
            [self._draws(request) for request in requests],
        )
        eos = checkpoint.ids.eos
        return [
            self.spelled(request, [token for token in row if token != eos], how.passes)
            for request, row in zip(requests, filled.tolist(), strict=True)
        ]

    def _draws(self, request: DraftRequest) -> torch.Generator:
        digest = hashlib.blake2b(repr((self.seed, request.key)).encode(), digest_size=7)
        return torch.Generator().manual_seed(int.from_bytes(digest.digest(), "big"))
