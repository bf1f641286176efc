"""The authors' decoding loop, its quirks included.

It differs from `refine`, our own sampler, in what follows.

- The mask id may be proposed. A position that takes it counts as masked again, so masks can be
  left in the response.
- The position of the stop only ever moves left, even when the stop token itself is revised away.
- Decoding ends when no mask is left before the stop, so the tokens of the last step are never
  revised.
- Masks that earlier blocks left behind are filled in later blocks, out of their quota.
- Where fewer positions are open than the schedule asks for, torch's `topk` fills the quota up with
  positions that were not eligible, and these are overwritten too. Which ones depends on how `topk`
  breaks ties over prompt and canvas, so it is called on just that.

One thing is not reproduced: such a position may lie in the prompt, whose embedding the official
code then overwrites. Here the prompt is never edited.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rediff.decoding.canvas import Canvas, Evidence, SpecialIds, check_finite
from rediff.decoding.loop import Decoded, Denoiser, record, split_steps
from rediff.decoding.rules import Linear
from rediff.decoding.sampler import OfficialSampler
from rediff.decoding.trace import Step, row_trace

POSITIONS = 16
"""Positions whose probabilities are computed together."""


@torch.inference_mode()
def decode_official(
    denoiser: Denoiser, canvas: Canvas, sampler: OfficialSampler, steps: int, *, trace: bool = False
) -> Decoded:
    """Runs the official loop on every row of `canvas`; see `decode_by_rules` for what it returns.

    Raises ValueError if steps and blocks do not divide.
    """
    rows, length = canvas.tokens.shape
    width = sampler.block_length or length
    blocks, steps_a_block = split_steps(length, width, steps)
    stop = torch.full((rows,), length, device=canvas.tokens.device)
    nfe = torch.zeros(rows, dtype=torch.long)
    taken: list[Step] = []
    for start in range(0, blocks * width, width):
        block = _Block(start, start + width, steps_a_block)
        inside = block.mask(canvas)
        quotas = Linear().quotas((canvas.masked & inside).sum(dim=1), steps_a_block)
        for step in range(steps_a_block):
            active = (~_finished(canvas, stop, inside, start)).nonzero()[:, 0]
            if len(active) == 0:
                break
            banned_at = None if sampler.revise else canvas.masked[active]
            evidence = _weigh(denoiser(canvas.tokens[active], active), canvas.ids, banned_at)
            nfe[active.cpu()] += denoiser.passes
            before = canvas
            plan = _Plan(block, step, quotas[active, step], stop[active], denoiser.before[active])
            canvas = _advance(canvas, active, evidence, sampler, plan)
            if sampler.stop:
                stop = torch.minimum(stop, canvas.stop_position())
            if trace:
                taken.append(record(before, canvas, active, evidence))
    ends = stop.tolist()
    responses = [row[:end] for row, end in zip(canvas.tokens.tolist(), ends, strict=True)]
    traces = [row_trace(taken, row) for row in range(rows)] if trace else []
    return Decoded(responses, nfe.tolist(), traces, canvas)


@dataclass(frozen=True, slots=True)
class _Block:
    """Positions `start` to `end`, and the steps spent on them."""

    start: int
    end: int
    steps: int

    def mask(self, canvas: Canvas) -> Tensor:
        """The block's positions; bool [R]."""
        position = torch.arange(canvas.tokens.size(1), device=canvas.tokens.device)
        return (position >= self.start) & (position < self.end)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One step of a block: of the active rows, the quota, the stop's position, and the number of
    positions before the canvas, all [b]."""

    block: _Block
    step: int
    quota: Tensor
    stop: Tensor
    before: Tensor


def _finished(canvas: Canvas, stop: Tensor, inside: Tensor, start: int) -> Tensor:
    """Rows that have nothing to do in the block from `start` on; bool [B]."""
    length = canvas.tokens.size(1)
    position = torch.arange(length, device=stop.device)
    open_before_stop = (canvas.masked & (position < stop[:, None])).any(dim=1)
    found = stop < length
    return (
        ~(canvas.masked & inside).any(dim=1)
        | (found & ~open_before_stop)
        | (found & (stop <= start))
    )


def _weigh(logits: Tensor, ids: SpecialIds, banned_at: Tensor | None) -> Evidence:
    """Evidence with the mask id among the proposals; overwrites the logits of banned ids.

    `banned_at` bool [b, R]: where they are banned, None for everywhere. The confidence is computed
    in float64, as official, a few positions at a time: the whole in float64 would be hundreds of
    megabytes a row, anew in every step.
    """
    scores = logits.float()
    if banned_at is None:
        scores[..., list(ids.frame)] = -torch.inf
    else:
        kept = scores[..., list(ids.frame)]
        scores[..., list(ids.frame)] = kept.masked_fill(banned_at[..., None], -torch.inf)
    best, token = scores.max(dim=-1)
    parts = [part.double().logsumexp(dim=-1) for part in scores.split(POSITIONS, dim=1)]
    normaliser = torch.cat(parts, dim=1)
    check_finite(normaliser)
    return Evidence(token, torch.exp(best.double() - normaliser))


def _advance(
    canvas: Canvas, active: Tensor, evidence: Evidence, sampler: OfficialSampler, plan: _Plan
) -> Canvas:
    tokens, masked = canvas.tokens[active], canvas.masked[active]
    length, block = tokens.size(1), plan.block
    limit = torch.where(plan.stop < length, plan.stop, block.end)[:, None]
    allowed = torch.arange(length, device=tokens.device) < limit
    chosen = _topk(evidence.confidence, masked & allowed, plan.quota, plan.before)
    if sampler.revise and plan.step >= block.steps - math.ceil(block.steps * sampler.revise_start):
        visible = ~masked & block.mask(canvas)
        if sampler.revise_topk:
            quota = (visible.sum(dim=1) * sampler.revise_topk).long()
            visible = _topk(evidence.confidence, visible & allowed, quota, plan.before)
        chosen |= visible
    tokens = torch.where(chosen, evidence.token, tokens)
    return replace(
        canvas,
        tokens=canvas.tokens.index_copy(0, active, tokens),
        masked=canvas.masked.index_copy(0, active, tokens == canvas.ids.mask),
    )


def _topk(score: Tensor, eligible: Tensor, quota: Tensor, before: Tensor) -> Tensor:
    """What `torch.topk` chooses of each row [b, R], not only of the eligible positions.

    `before` [b] positions stand in front of a row, as the prompt does, and none is eligible.
    """
    chosen = torch.zeros_like(eligible)
    for row, (k, pad) in enumerate(zip(quota.tolist(), before.tolist(), strict=True)):
        own = score[row].masked_fill(~eligible[row], -torch.inf)
        places = F.pad(own, (pad, 0), value=-torch.inf).topk(k).indices - pad
        chosen[row, places[places >= 0]] = True
    return chosen
