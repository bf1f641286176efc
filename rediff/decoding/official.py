"""The authors' decoding loop, quirks included (`generate` of arXiv 2510.19871's code).

It differs from `refine`, our own sampler, in these ways.

- The mask id may be predicted. A position that takes it counts as masked again, so masks can be
  left in the response.
- The position of eos only ever moves to the left, even when the eos token itself is revised.
- Decoding ends when no mask is left before eos, so tokens of the last step are never revised.
- eos is written as soon as it is among the most confident, and predicted by the plain argmax;
  `refine` writes it last, and only with more than half of the probability.
- Masks that an earlier block left are filled in later blocks, out of the quota of those.
- Where fewer positions are open than the schedule asks for, torch's `topk` fills the quota with
  positions that were not eligible, and these are overwritten too. Which ones depends on how `topk`
  breaks ties over prompt and canvas together, so it is called on just that.

One thing is not reproduced: such a position may lie in the prompt, whose embedding the authors'
code then overwrites. Here the prompt is never edited.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rediff.decoding.active_rows import ActiveRows
from rediff.decoding.canvas import Canvas, Prediction
from rediff.decoding.denoiser import Denoiser
from rediff.decoding.loop import Decoded, split_steps
from rediff.decoding.official_options import OfficialOptions
from rediff.decoding.recorder import Recorder
from rediff.decoding.schedules import LinearSchedule

POSITIONS = 16
"""Positions whose float64 probabilities are computed together."""


@torch.inference_mode()
def decode_official(
    options: OfficialOptions, denoiser: Denoiser, canvas: Canvas, steps: int, recorder: Recorder
) -> Decoded:
    """Runs the authors' loop, with its quirks.

    Args:
        options: of the authors' `generate`.
        denoiser: gives logits for the canvas.
        canvas: blank, or partly prefilled.
        steps: denoising steps at most.
        recorder: is given every step.

    Raises:
        ValueError: if steps and blocks do not divide.
    """
    rows, length = canvas.tokens.shape
    width = options.block_length or length
    blocks, steps_per_block = split_steps(length, width, steps)
    eos = torch.full((rows,), length, device=canvas.tokens.device)
    denoiser = denoiser.refreshed(options.refresh)
    turns, prediction = ActiveRows(rows, denoiser.passes), None
    for start in range(0, blocks * width, width):
        block = _Block(start, start + width, steps_per_block)
        inside = block.positions(canvas)
        masks = (canvas.masked & inside).sum(dim=1)
        quotas = LinearSchedule().quotas(masks, steps_per_block)
        for step in range(steps_per_block):
            numbers = turns.begin_step(_finished(canvas, eos, inside, start), prediction)
            if len(numbers) == 0:
                break
            active = turns.on_device
            banned_at = None if options.revise else canvas.masked[active]
            logits = denoiser(canvas.tokens[active], numbers)
            prediction = predict_officially(logits, canvas.ids.official_banned, banned_at)
            before = canvas
            plan = _Plan(
                block, step, quotas[active, step], eos[active], denoiser.prompt_lengths[active]
            )
            canvas = _advance(options, canvas, active, prediction, plan)
            if options.stop:
                eos = torch.minimum(eos, canvas.eos_position())
            recorder(before, canvas, active, prediction)
    turns.end(prediction)
    ends = eos.tolist()
    responses = [row[:end] for row, end in zip(canvas.tokens.tolist(), ends, strict=True)]
    return Decoded(responses, turns.nfe, canvas)


@dataclass(frozen=True, slots=True)
class _Block:
    """Positions `start` to `end`, and the steps spent on them."""

    start: int
    end: int
    steps: int

    def positions(self, canvas: Canvas) -> Tensor:
        """The positions of the block; bool [R]."""
        position = torch.arange(canvas.tokens.size(1), device=canvas.tokens.device)
        return (position >= self.start) & (position < self.end)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One step of a block. Of the active rows, all int64 [b]: the quota, the position of eos, and
    the length of the prompt."""

    block: _Block
    step: int
    quota: Tensor
    eos: Tensor
    prompt_lengths: Tensor


def _advance(
    options: OfficialOptions, canvas: Canvas, active: Tensor, prediction: Prediction, plan: _Plan
) -> Canvas:
    """The canvas after one step on the active rows [b]."""
    tokens, masked = canvas.tokens[active], canvas.masked[active]
    length, block = tokens.size(1), plan.block
    limit = torch.where(plan.eos < length, plan.eos, block.end)[:, None]
    allowed = torch.arange(length, device=tokens.device) < limit
    confidence, prompts = prediction.confidence, plan.prompt_lengths
    chosen = official_topk(confidence, masked & allowed, plan.quota, prompts)
    if options.revise and plan.step >= block.steps - math.ceil(block.steps * options.revise_start):
        visible = ~masked & block.positions(canvas)
        if options.revise_topk:
            quota = (visible.sum(dim=1) * options.revise_topk).long()
            visible = official_topk(confidence, visible & allowed, quota, prompts)
        chosen |= visible
    tokens = torch.where(chosen, prediction.token, tokens)
    return replace(
        canvas,
        tokens=canvas.tokens.index_copy(0, active, tokens),
        masked=canvas.masked.index_copy(0, active, tokens == canvas.ids.mask),
    )


def _finished(canvas: Canvas, eos: Tensor, inside: Tensor, start: int) -> Tensor:
    """Rows that have nothing to do in the block from `start` on; bool [B]."""
    length = canvas.tokens.size(1)
    position = torch.arange(length, device=eos.device)
    open_before_eos = (canvas.masked & (position < eos[:, None])).any(dim=1)
    found = eos < length
    return (
        ~(canvas.masked & inside).any(dim=1) | (found & ~open_before_eos) | (found & (eos <= start))
    )


def predict_officially(
    logits: Tensor, ids: Sequence[int], banned_at: Tensor | None = None
) -> Prediction:
    """The prediction, with the mask id among the candidates; overwrites logits of banned ids.

    The confidence is computed in float64, as in the authors' code, a few positions at a time: all
    at once it would take hundreds of megabytes a row in every step.

    Args:
        logits: [b, R, V] of any float dtype.
        ids: that are banned.
        banned_at: where they are, bool [b, R]; None for everywhere.
    """
    banned = list(ids)
    scores = logits.float()
    if banned_at is None:
        scores[..., banned] = -torch.inf
    else:
        scores[..., banned] = scores[..., banned].masked_fill(banned_at[..., None], -torch.inf)
    best, token = scores.max(dim=-1)
    parts = [part.double().logsumexp(dim=-1) for part in scores.split(POSITIONS, dim=1)]
    normaliser = torch.cat(parts, dim=1)
    return Prediction(token, torch.exp(best.double() - normaliser) + 0 * normaliser)


def official_topk(score: Tensor, eligible: Tensor, quota: Tensor, prompt_lengths: Tensor) -> Tensor:
    """The choice of `torch.topk` in each row [b, R], among all positions, not only eligible ones.

    Args:
        score: float [b, R].
        eligible: bool [b, R].
        quota: how many are chosen in each row, int64 [b].
        prompt_lengths: positions that come before each row, int64 [b]; none of them is eligible.
    """
    chosen = torch.zeros_like(eligible)
    for row, (k, pad) in enumerate(zip(quota.tolist(), prompt_lengths.tolist(), strict=True)):
        scores = score[row].masked_fill(~eligible[row], -torch.inf)
        places = F.pad(scores, (pad, 0), value=-torch.inf).topk(k).indices - pad
        chosen[row, places[places >= 0]] = True
    return chosen
