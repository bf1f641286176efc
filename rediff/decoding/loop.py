"""Samplers as compositions of rules, and the loop that runs them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from rediff.decoding.canvas import Canvas, Evidence, weigh
from rediff.decoding.sampler import Sampler
from rediff.decoding.trace import Step, Trace, row_trace


class Denoiser(Protocol):
    """All that a sampler needs of a model; it hides image, prompt, padding and caching."""

    passes: int
    """Forward passes that one call costs a row: 1, or 2 with guidance."""
    before: Tensor
    """Positions that stand before the canvas in each row; int64 [B]."""

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """Logits [b, R, V] for canvas tokens [b, R] of the batch rows `rows` [b]."""
        ...


@dataclass(frozen=True, slots=True)
class Decoded:
    """`responses`: token ids of each row, cut at the stop token. `nfe`: forward passes of each row.

    `traces`: one a row if asked for, else empty. `canvas`: the final state.
    """

    responses: list[list[int]]
    nfe: list[int]
    traces: list[Trace]
    canvas: Canvas


@torch.inference_mode()
def decode_by_rules(
    denoiser: Denoiser, canvas: Canvas, sampler: Sampler, steps: int, *, trace: bool = False
) -> Decoded:
    """Runs `sampler` on `canvas` for at most `steps` denoising steps (one denoiser call each).

    Raises ValueError if the steps or the blocks do not divide as the sampler asks.
    """
    length = canvas.tokens.size(1)
    block = sampler.block_length or length
    blocks, steps_a_block = split_steps(length, block, steps)
    nfe = torch.zeros(canvas.tokens.size(0), dtype=torch.long)
    taken: list[Step] = []
    for index in range(blocks):
        window = torch.zeros(length, dtype=torch.bool, device=canvas.tokens.device)
        window[index * block : (index + 1) * block] = True
        open_ = _open(canvas, window)
        canvas = replace(canvas, done=sampler.stop(open_, _visible(canvas, window)))
        masks = open_.sum(dim=1)
        quotas = sampler.schedule.quotas(masks, steps_a_block)
        for step in range(steps_a_block):
            active = (~canvas.done).nonzero()[:, 0]
            if len(active) == 0:
                break
            evidence = weigh(
                denoiser(canvas.tokens[active], active),
                canvas.ids,
                majority_stop=sampler.majority_stop,
            )
            nfe[active.cpu()] += denoiser.passes
            before = canvas
            last = step >= sampler.schedule.commit_steps(steps_a_block) - 1
            quota = torch.full_like(masks, length) if last else quotas[:, step]
            plan = _Plan(window, quota[active], step, steps_a_block)
            canvas = _advance(canvas, active, evidence, sampler, plan)
            if trace:
                taken.append(record(before, canvas, active, evidence))
    traces = [row_trace(taken, row) for row in range(len(nfe))] if trace else []
    return Decoded(canvas.responses(), nfe.tolist(), traces, canvas)


def split_steps(length: int, block: int, steps: int) -> tuple[int, int]:
    """Blocks and steps a block. Raises ValueError where the numbers do not divide."""
    if length % block:
        raise ValueError(f"a canvas of {length} tokens cannot be cut into blocks of {block}")
    blocks = length // block
    if steps < blocks or steps % blocks:
        raise ValueError(f"{steps} steps cannot be split evenly over {blocks} blocks")
    if steps > length:
        raise ValueError(f"{steps} steps for {length} tokens: at least one token a step is written")
    return blocks, steps // blocks


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the loop asks of one step: window [R], quota [b]; which of how many it is."""

    window: Tensor
    quota: Tensor
    step: int
    steps: int


def _advance(
    canvas: Canvas, active: Tensor, evidence: Evidence, sampler: Sampler, plan: _Plan
) -> Canvas:
    """The canvas after one step on the active rows."""
    rows = Canvas(canvas.tokens[active], canvas.masked[active], canvas.done[active], canvas.ids)
    stop = rows.ids.stop
    commit = sampler.commit(evidence, _open(rows, plan.window), plan.quota, stop)
    visible = _visible(rows, plan.window)
    if plan.step == plan.steps - 1:
        visible &= rows.tokens != stop
    revise = sampler.revise(evidence, visible, plan.step, plan.steps)
    tokens = torch.where(commit | revise, evidence.token, rows.tokens)
    changed = tokens != rows.tokens
    rows = replace(rows, tokens=tokens, masked=rows.masked & ~commit)
    return Canvas(
        canvas.tokens.index_copy(0, active, rows.tokens),
        canvas.masked.index_copy(0, active, rows.masked),
        canvas.done.index_copy(0, active, sampler.stop(_open(rows, plan.window), changed)),
        canvas.ids,
    )


def _open(canvas: Canvas, window: Tensor) -> Tensor:
    """Masks of a block before the stop token; bool [B, R]."""
    return canvas.masked & window & canvas.before_stop()


def _visible(canvas: Canvas, window: Tensor) -> Tensor:
    """Written positions of a block up to the stop token; bool [B, R]."""
    position = torch.arange(canvas.tokens.size(1), device=canvas.tokens.device)
    return ~canvas.masked & window & (position <= canvas.stop_position()[:, None])


def record(before: Canvas, after: Canvas, active: Tensor, evidence: Evidence) -> Step:
    """A step of the active rows [b] for the trace."""
    confidence = torch.zeros(before.tokens.shape, device=before.tokens.device)
    confidence[active] = evidence.confidence.float()
    flags = torch.zeros_like(before.done)
    flags[active] = True
    revised = ~before.masked & (after.tokens != before.tokens)
    committed = before.masked & ~after.masked
    parts = (after.tokens, after.masked, confidence, committed, revised, flags)
    return Step(*(part.cpu() for part in parts))
