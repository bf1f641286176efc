"""The loop that runs the rules of a sampler, and the parts that every loop shares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from rediff.decoding.active_rows import ActiveRows
from rediff.decoding.canvas import Canvas, Prediction
from rediff.decoding.denoiser import Denoiser
from rediff.decoding.memory import Memory
from rediff.decoding.noise import Noise
from rediff.decoding.passes import Passes
from rediff.decoding.recorder import Recorder
from rediff.decoding.remask import Writing
from rediff.decoding.rules import Rules
from rediff.decoding.schedules import paced_quota
from rediff.decoding.stop import Progress
from rediff.decoding.trace import Trace


@dataclass(frozen=True, slots=True)
class Decoded:
    """The end of decoding.

    `responses`: the token ids of each row, cut at the eos token. `nfe`: forward passes of each
    row. `canvas`: its final state. `traces`: one for each row if a sampler is asked for them, else
    empty; its loop leaves them to `LoopSampler.decode`.
    """

    responses: list[list[int]]
    nfe: list[int]
    canvas: Canvas
    traces: list[Trace] = field(default_factory=list[Trace])


@torch.inference_mode()
def decode_by_rules(
    rules: Rules, denoiser: Denoiser, canvas: Canvas, steps: int, recorder: Recorder
) -> Decoded:
    """Runs the rules of a sampler.

    Args:
        rules: of the sampler.
        denoiser: gives logits for the canvas.
        canvas: blank, or partly prefilled.
        steps: forward passes at most; as many denoising steps as the predict rule makes of them.
        recorder: is given every step.

    Raises:
        ValueError: if steps and blocks do not divide.
    """
    length = canvas.tokens.size(1)
    width = rules.block_length or length
    blocks, passes = split_steps(length, width, steps)
    total = rules.predict.steps(passes)
    denoiser = denoiser.refreshed(rules.refresh)
    rows, prediction = ActiveRows(len(canvas.done), denoiser.passes), None
    memory = Memory(canvas, rules.needs)
    for start in range(0, blocks * width, width):
        window = torch.zeros(length, dtype=torch.bool, device=canvas.tokens.device)
        window[start : start + width] = True
        memory.begin_block()
        open_ = open_positions(canvas, window)
        canvas = _stopped(rules, canvas, open_, canvas.visible() & window, memory, 0, total)
        masks = open_.sum(dim=1)
        quotas = rules.schedule.quotas(masks, total)
        for step in range(total):
            numbers = rows.begin_step(canvas.done, prediction)
            if len(numbers) == 0:
                break
            active = rows.on_device
            noise = Noise(rules.seed, denoiser.keys, (start, step), rows=numbers.tolist())
            looks = Passes(denoiser, rows, rules, canvas.ids, noise, step, total, passes - total)
            past, now, still_open = memory.past(active), _rows_of(canvas, active), open_[active]
            prediction = rules.predict(looks, now, still_open, past)
            prediction = memory.recalled(prediction, active, past)
            before = canvas
            last = step >= rules.schedule.unmask_steps(total) - 1
            owed = memory.owed if rules.makes_up else 0
            quota = torch.full_like(masks, length) if last else quotas[:, step] + owed
            after, changed = _advance(
                rules, now, prediction, still_open, window, quota[active], step, total
            )
            canvas = _with_rows(canvas, active, after)
            memory.note(before, canvas, active, prediction)
            open_ = open_positions(canvas, window)
            everywhere = torch.zeros_like(canvas.masked).index_copy(0, active, changed)
            stopped = _stopped(rules, canvas, open_, everywhere, memory, step, total)
            canvas = replace(stopped, done=stopped.done | before.done)
            recorder(before, canvas, active, prediction)
            prediction = Prediction(prediction.token, prediction.confidence)
    rows.end(prediction)
    return Decoded(canvas.responses(), rows.nfe, canvas)


def _rows_of(canvas: Canvas, active: Tensor) -> Canvas:
    """The canvas of some rows, whose numbers are `active`, int64 [b]."""
    return Canvas(canvas.tokens[active], canvas.masked[active], canvas.done[active], canvas.ids)


def _with_rows(canvas: Canvas, active: Tensor, rows: Canvas) -> Canvas:
    """The canvas with other tokens and masks in some rows."""
    return replace(
        canvas,
        tokens=canvas.tokens.index_copy(0, active, rows.tokens),
        masked=canvas.masked.index_copy(0, active, rows.masked),
    )


def _advance(
    rules: Rules,
    rows: Canvas,
    prediction: Prediction,
    open_: Tensor,
    window: Tensor,
    quota: Tensor,
    step: int,
    steps: int,
) -> tuple[Canvas, Tensor]:
    """The active rows after one step, and the positions that count as changed, bool [b, R]."""
    eos, unmasking = rows.ids.eos, rules.schedule.unmask_steps(steps)
    if rules.paced and step < unmasking - 1:
        words = (open_ & (prediction.token != eos)).sum(dim=1)
        quota = paced_quota(words, unmasking - step)
    unmask = rules.unmask(prediction, open_, quota, eos)
    visible = rows.visible() & window
    if step == steps - 1:
        visible &= rows.tokens != eos
    revise = rules.revise(prediction, visible, step, steps)
    tokens = torch.where(unmask | revise, prediction.token, rows.tokens)
    masked = rows.masked & ~unmask
    if rules.remasks and step < unmasking - 1:
        written = replace(rows, tokens=tokens, masked=masked)
        after, left = written.visible() & window, open_positions(written, window).sum(dim=1)
        stays = visible & after & (tokens == rows.tokens) & (tokens != eos)
        writing = Writing(stays, unmask & after, left, step, unmasking)
        back = rules.remask(prediction, writing)
        tokens, masked = tokens.masked_fill(back, rows.ids.mask), masked | back
    changed = tokens != rows.tokens
    rows = replace(rows, tokens=tokens, masked=masked)
    if step < rules.revise.first_step(steps):
        changed = changed | (rows.visible() & window)
    return rows, changed


def _stopped(
    rules: Rules,
    canvas: Canvas,
    open_: Tensor,
    changed: Tensor,
    memory: Memory,
    step: int,
    steps: int,
) -> Canvas:
    """The canvas with the rows that are done with a block after a step, or before the first."""
    revises = step >= rules.revise.first_step(steps)
    returned = memory.returned(canvas) if revises else canvas.done & False
    progress = Progress(open_, changed, returned, memory.count_filled(open_))
    return replace(canvas, done=rules.stop(progress))


def split_steps(length: int, block: int, steps: int) -> tuple[int, int]:
    """Blocks, and steps for each block.

    Args:
        length: tokens of the canvas.
        block: tokens of a block.
        steps: denoising steps in all.

    Raises:
        ValueError: if the numbers do not divide.

    Examples:
        >>> split_steps(128, 32, 16)
        (4, 4)
    """
    if length % block:
        raise ValueError(f"a canvas of {length} tokens cannot be cut into blocks of {block}")
    blocks = length // block
    if steps < blocks or steps % blocks:
        raise ValueError(f"{steps} steps cannot be split evenly over {blocks} blocks")
    if steps > length:
        raise ValueError(f"{steps} steps for {length} tokens: a step writes at least one token")
    return blocks, steps // blocks


def open_positions(canvas: Canvas, window: Tensor) -> Tensor:
    """Masks inside a window and before the eos token; bool [B, R].

    Args:
        canvas: of B rows.
        window: the positions of the block, bool [R].
    """
    return canvas.masked & window & canvas.before_eos()
