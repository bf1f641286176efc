"""The loop that runs the rules of a sampler, and what every loop needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from rediff.decoding.canvas import Canvas, NotFiniteError, Prediction, predict
from rediff.decoding.memory import Memory
from rediff.decoding.noise import Keys, Noise
from rediff.decoding.rules import Rules
from rediff.decoding.trace import Step, Trace, row_trace

OnStep = Callable[[Step], None]
"""Called with every denoising step, after it was applied."""


class Denoiser(Protocol):
    """All that a sampler knows of a model: image, prompt, padding and caches are hidden."""

    passes: int
    """Forward passes of one call: 1, or 2 with guidance."""
    prompt_lengths: Tensor
    """Positions in front of the canvas, of each row; int64 [B]."""
    keys: Keys
    """A number of each row that tells its picture and prompt from others, for random draws."""

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """Logits [b, R, V] for the canvas tokens [b, R] of the batch rows `rows` [b].

        The numbers of the rows are on the CPU, and the same tensor as long as they are the same.
        """
        ...

    def refreshed(self, every: int | None) -> Denoiser:
        """The same for one decoding, with image and prompt computed anew every so many calls.

        Args:
            every: calls; 0 for once, None for as often as it takes to be exact.
        """
        ...

    def opening(self, response: int) -> Tensor | None:
        """Logits [B, V] of the first position of responses of so many tokens, where prompts alone
        give them (prefix attention with shifted logits); else None."""
        ...

    def under_full_attention(self) -> Denoiser:
        """The same with image and prompt seeing the response, whatever the model's property is."""
        ...


@dataclass(frozen=True, slots=True)
class Decoded:
    """The end of decoding.

    `responses`: the token ids of each row, cut at the eos token. `nfe`: forward passes of each
    row. `traces`: one for each row if asked for, else empty. `canvas`: its final state.
    """

    responses: list[list[int]]
    nfe: list[int]
    traces: list[Trace]
    canvas: Canvas


@torch.inference_mode()
def decode_by_rules(
    rules: Rules, denoiser: Denoiser, canvas: Canvas, steps: int, recorder: Recorder
) -> Decoded:
    """Runs the rules of a sampler.

    Args:
        rules: of the sampler.
        denoiser: gives logits for the canvas.
        canvas: blank, or partly prefilled.
        steps: denoising steps at most.
        recorder: is given every step.

    Raises:
        ValueError: if steps and blocks do not divide.
    """
    length = canvas.tokens.size(1)
    width = rules.block_length or length
    blocks, steps_per_block = split_steps(length, width, steps)
    denoiser = denoiser.refreshed(rules.refresh)
    rows, prediction = ActiveRows(len(canvas.done), denoiser.passes), None
    memory = Memory(canvas) if rules.uses_past else None
    for start in range(0, blocks * width, width):
        window = torch.zeros(length, dtype=torch.bool, device=canvas.tokens.device)
        window[start : start + width] = True
        open_ = open_positions(canvas, window)
        canvas = replace(canvas, done=rules.stop(open_, visible_positions(canvas, window)))
        masks = open_.sum(dim=1)
        quotas = rules.schedule.quotas(masks, steps_per_block)
        for step in range(steps_per_block):
            numbers = rows.begin_step(canvas.done, prediction)
            if len(numbers) == 0:
                break
            active = rows.on_device
            standing = canvas.tokens[active]
            prediction = predict(
                denoiser(standing, numbers),
                canvas.ids,
                majority_eos=rules.majority_eos,
                temperature=rules.temperature,
                standing=standing,
                noise=Noise(rules.seed, denoiser.keys, (start, step), rows=numbers.tolist()),
            )
            before = canvas
            last = step >= rules.schedule.unmask_steps(steps_per_block) - 1
            quota = torch.full_like(masks, length) if last else quotas[:, step]
            if memory is not None:
                quota, prediction = quota + memory.owed, memory.recalled(prediction, active)
            canvas = _advance(
                rules, canvas, active, prediction, window, quota[active], step, steps_per_block
            )
            if memory is not None:
                memory.note(before, canvas, active, prediction)
            recorder(before, canvas, active, prediction)
            prediction = Prediction(prediction.token, prediction.confidence)
    rows.end(prediction)
    return Decoded(canvas.responses(), rows.nfe, recorder.traces(len(rows.nfe)), canvas)


def _advance(
    rules: Rules,
    canvas: Canvas,
    active: Tensor,
    prediction: Prediction,
    window: Tensor,
    quota: Tensor,
    step: int,
    steps: int,
) -> Canvas:
    """The canvas after one step on the active rows [b]."""
    rows = Canvas(canvas.tokens[active], canvas.masked[active], canvas.done[active], canvas.ids)
    eos = rows.ids.eos
    unmask = rules.unmask(prediction, open_positions(rows, window), quota, eos)
    visible = visible_positions(rows, window)
    if step == steps - 1:
        visible &= rows.tokens != eos
    revise = rules.revise(prediction, visible, step, steps)
    tokens = torch.where(unmask | revise, prediction.token, rows.tokens)
    masked, unmasking = rows.masked & ~unmask, rules.schedule.unmask_steps(steps)
    if rules.remasks and step < unmasking - 1:
        after = visible_positions(replace(rows, tokens=tokens, masked=masked), window)
        stays = visible & after & (tokens == rows.tokens) & (tokens != eos)
        back = rules.remask(prediction, stays, unmask.sum(dim=1), step, unmasking)
        tokens, masked = tokens.masked_fill(back, rows.ids.mask), masked | back
    changed = tokens != rows.tokens
    rows = replace(rows, tokens=tokens, masked=masked)
    if step < rules.revise.first_step(steps):
        changed = changed | visible_positions(rows, window)
    done = rules.stop(open_positions(rows, window), changed)
    return Canvas(
        canvas.tokens.index_copy(0, active, rows.tokens),
        canvas.masked.index_copy(0, active, rows.masked),
        canvas.done.index_copy(0, active, done),
        canvas.ids,
    )


class ActiveRows:
    """The rows that are not done, and the forward passes of each.

    They are asked for once a step, together with whether the last prediction was finite: the one
    moment at which `decode_by_rules` waits for a GPU. While they are the same, so is their tensor.
    """

    def __init__(self, rows: int, passes: int) -> None:
        self.nfe = [0] * rows
        self.passes = passes
        self.numbers = torch.empty(0, dtype=torch.long)
        self.on_device = self.numbers

    def begin_step(self, done: Tensor, last: Prediction | None) -> Tensor:
        """The active rows, int64 [b] on the CPU; they are counted as computed.

        Args:
            done: rows that are finished, bool [B].
            last: the prediction of the step before, or None.

        Raises:
            NotFiniteError: if that was made of logits that are not finite.
        """
        flags = done if last is None else torch.cat([done, last.confidence.isnan().any()[None]])
        known: list[bool] = flags.tolist()
        if any(known[len(done) :]):
            raise NotFiniteError
        numbers = [number for number, is_done in enumerate(known[: len(done)]) if not is_done]
        for number in numbers:
            self.nfe[number] += self.passes
        if numbers != self.numbers.tolist():
            self.numbers = torch.tensor(numbers, dtype=torch.long)
            self.on_device = self.numbers.to(done.device)
        return self.numbers

    def end(self, last: Prediction | None) -> None:
        """Raises NotFiniteError if the last prediction was made of logits that are not finite."""
        if last is not None and bool(last.confidence.isnan().any()):
            raise NotFiniteError


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


def visible_positions(canvas: Canvas, window: Tensor) -> Tensor:
    """Written positions inside a window, up to and with the eos token; bool [B, R].

    Args:
        canvas: of B rows.
        window: the positions of the block, bool [R].
    """
    position = torch.arange(canvas.tokens.size(1), device=canvas.tokens.device)
    return ~canvas.masked & window & (position <= canvas.eos_position()[:, None])


class Recorder:
    """Keeps the steps of a batch for its traces, and tells a callback of each."""

    def __init__(self, trace: bool, on_step: OnStep | None, *, remasks: bool = False) -> None:
        """`remasks`: tokens that become masks again are taken back, and no revision."""
        self.trace, self.on_step, self.remasks = trace, on_step, remasks
        self.steps: list[Step] = []

    def __call__(
        self, before: Canvas, after: Canvas, active: Tensor, prediction: Prediction
    ) -> None:
        """Records one step of the active rows [b]; `prediction` is of these rows alone."""
        if not self.trace and self.on_step is None:
            return
        confidence = torch.zeros(before.tokens.shape, device=before.tokens.device)
        confidence[active] = prediction.confidence.float()
        flags = torch.zeros_like(before.done)
        flags[active] = True
        revised = ~before.masked & (after.tokens != before.tokens)
        if self.remasks:
            revised &= ~after.masked
        unmasked = before.masked & ~after.masked
        parts = (after.tokens, after.masked, confidence, unmasked, revised, flags)
        step = Step(*(part.cpu() for part in parts))
        if self.trace:
            self.steps.append(step)
        if self.on_step is not None:
            self.on_step(step)

    def traces(self, rows: int) -> list[Trace]:
        """The trace of each row; none where no traces were asked for."""
        return [row_trace(self.steps, row) for row in range(rows)] if self.trace else []
