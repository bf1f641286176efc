"""The loops of LaViDa's authors, quirks included (their `generate` at temperature 0).

- Nothing is ever masked again, and no eos token ends a response.
- The mask id may be predicted; a position that takes it counts as written in that step, but stays
  masked, so masks can be left in the response.
- Dream's first token comes from the prompt alone under prefix attention, before the first step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rediff.decoding.active_rows import ActiveRows
from rediff.decoding.canvas import Canvas, Prediction
from rediff.decoding.denoiser import Denoiser
from rediff.decoding.lavida_options import BothOptions, DreamOptions, LavidaOptions
from rediff.decoding.loop import Decoded, split_steps
from rediff.decoding.official import POSITIONS, official_topk, predict_officially
from rediff.decoding.recorder import Recorder
from rediff.decoding.schedules import LinearSchedule, ShiftSchedule

LAST_TIME = 1e-3
"""Dream's times run from 1 to this."""
NO_LOG = 1e-10
"""Added to probabilities before their logarithm is taken, as Dream's code does."""

Predict = Callable[[Tensor], tuple[Prediction, Tensor]]
"""The prediction for logits [b, R, V], and the score [b, R] by which positions are ranked."""
Quota = Callable[[int, Tensor], Tensor]
"""Tokens of each row [B] in a step, given the masks of each row's block [B] before it."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Positions of a block; steps of each; and the quotas of a block, given its masks [B]."""

    width: int
    steps: int
    quotas: Callable[[Tensor], Quota]
    predict: Predict


@torch.inference_mode()
def decode_lavida(
    options: LavidaOptions, denoiser: Denoiser, canvas: Canvas, steps: int, recorder: Recorder
) -> Decoded:
    """Runs the loop of LaViDa with LLaDA's text model.

    Args:
        options: of the authors' `generate`.
        denoiser: gives logits for the canvas.
        canvas: blank, or partly prefilled.
        steps: denoising steps, before `step_ratio`.
        recorder: is given every step.

    Raises:
        ValueError: if steps and blocks do not divide, or no step is left.
    """
    width = options.block_length or canvas.tokens.size(1)
    _, each = split_steps(canvas.tokens.size(1), width, steps)
    taken = options.taken(each)
    schedule = ShiftSchedule(shift=options.shift) if options.shift else LinearSchedule()

    def predict(logits: Tensor) -> tuple[Prediction, Tensor]:
        prediction = predict_officially(logits, canvas.ids.unnamed)
        return prediction, prediction.confidence

    def quotas(masks: Tensor) -> Quota:
        planned = schedule.quotas(masks, taken)
        return lambda step, left: planned[:, step]

    plan = _Plan(width, taken, quotas, predict)
    return _run(options, denoiser, canvas, plan, recorder)


@torch.inference_mode()
def decode_dream(
    options: DreamOptions, denoiser: Denoiser, canvas: Canvas, steps: int, recorder: Recorder
) -> Decoded:
    """Runs the loop of LaViDa with Dream's text model.

    Args:
        options: of the authors' `generate`.
        denoiser: gives logits for the canvas.
        canvas: blank, or partly prefilled.
        steps: denoising steps, before `step_ratio`.
        recorder: is given every step.

    Raises:
        ValueError: for more steps than tokens, or if no step is left.
    """
    length = canvas.tokens.size(1)
    split_steps(length, length, steps)
    taken = options.taken(steps)

    def quotas(masks: Tensor) -> Quota:
        if options.shift:
            planned = ShiftSchedule(shift=options.shift).quotas(masks, taken)
            return lambda step, left: planned[:, step]
        return _times(steps, taken)

    def predict(logits: Tensor) -> tuple[Prediction, Tensor]:
        return predict_dream(logits, canvas.ids.unnamed, options)

    plan = _Plan(length, taken, quotas, predict)
    return _run(options, denoiser, canvas, plan, recorder)


def _run(
    options: BothOptions, denoiser: Denoiser, canvas: Canvas, plan: _Plan, recorder: Recorder
) -> Decoded:
    if not options.prefix:
        denoiser = denoiser.under_full_attention()
    count, length = canvas.tokens.shape
    position = torch.arange(length, device=canvas.tokens.device)
    prompts = denoiser.prompt_lengths * (not options.prefix)
    denoiser = denoiser.refreshed(None)
    rows, prediction = ActiveRows(count, denoiser.passes), None
    before, canvas = canvas, _opened(canvas, denoiser)
    for start in range(0, length, plan.width):
        inside = (position >= start) & (position < start + plan.width)
        quota = plan.quotas((canvas.masked & inside).sum(dim=1))
        for step in range(plan.steps):
            left = (canvas.masked & inside).sum(dim=1)
            numbers = rows.begin_step(left == 0, prediction)
            if len(numbers) == 0:
                break
            active = rows.on_device
            prediction, score = plan.predict(denoiser(canvas.tokens[active], numbers))
            open_ = canvas.masked[active] & (position < start + plan.width)
            chosen = official_topk(score, open_, quota(step, left)[active], prompts[active])
            canvas = _written(canvas, active, chosen, prediction.token)
            recorder(before, canvas, active, prediction)
            before = canvas
    rows.end(prediction)
    responses = canvas.responses() if options.stop else _spoken(canvas)
    return Decoded(responses, rows.nfe, canvas)


def _opened(canvas: Canvas, denoiser: Denoiser) -> Canvas:
    """The canvas with the token that prompts alone give at its first position, if they do."""
    logits = denoiser.opening(canvas.tokens.size(1))
    if logits is None:
        return canvas
    first = torch.zeros_like(canvas.masked)
    first[:, 0] = canvas.masked[:, 0]
    token = predict_officially(logits[:, None].clone(), canvas.ids.unnamed).token
    every = torch.arange(len(first), device=first.device)
    return _written(canvas, every, first, token)


def _written(canvas: Canvas, active: Tensor, chosen: Tensor, token: Tensor) -> Canvas:
    """The canvas with tokens [b, R] at the chosen positions [b, R] of the active rows [b]."""
    tokens = torch.where(chosen, token, canvas.tokens[active])
    return replace(
        canvas,
        tokens=canvas.tokens.index_copy(0, active, tokens),
        masked=canvas.masked.index_copy(
            0, active, canvas.masked[active] & (tokens == canvas.ids.mask)
        ),
    )


def _spoken(canvas: Canvas) -> list[list[int]]:
    """The tokens of each row without the eos and special tokens at its end."""
    silent = {canvas.ids.eos, *canvas.ids.banned}
    rows: list[list[int]] = canvas.tokens.tolist()
    for row in rows:
        while row and row[-1] in silent:
            row.pop()
    return rows


def _times(steps: int, taken: int) -> Quota:
    """The quotas of Dream's own times t_0 = 1 > ... > t_steps: in step i, rounded down, the share
    1 - t_(i+1) / t_i of the masks that are left, and all of them in the last that is taken."""
    times = torch.linspace(1, LAST_TIME, steps + 1)

    def quota(step: int, left: Tensor) -> Tensor:
        if step == taken - 1:
            return left
        share = 1 - times[step + 1] / times[step]
        return (left * share.to(left.device)).long()

    return quota


def predict_dream(
    logits: Tensor, unnamed: tuple[int, ...], options: DreamOptions
) -> tuple[Prediction, Tensor]:
    """Dream's prediction among the `top_k` best, in the precision of the logits, a few positions
    at a time; the score is that of `rank`."""
    lowest = torch.finfo(logits.dtype).min
    tokens, confidences, scores = [], [], []
    for part in logits.split(POSITIONS, dim=1):
        kept = part.index_fill(-1, torch.tensor(unnamed, device=part.device).long(), lowest)
        if 0 < options.top_k < kept.size(-1):
            worst = kept.topk(options.top_k).values[..., -1:]
            kept = kept.masked_fill(kept < worst, lowest)
        probabilities = kept.softmax(dim=-1)
        best, token = probabilities.max(dim=-1)
        tokens.append(token)
        confidences.append(best)
        scores.append(_score(options.rank, probabilities))
    return Prediction(torch.cat(tokens, 1), torch.cat(confidences, 1)), torch.cat(scores, 1)


def _score(rank: str, probabilities: Tensor) -> Tensor:
    """The score [b, R] of each position. float16 has no number as small as `NO_LOG`, so there the
    entropy is computed in float32."""
    if rank == "probability":
        return probabilities.amax(dim=-1)
    if rank == "margin":
        best = probabilities.topk(2).values
        return best[..., 0] - best[..., 1]
    if probabilities.dtype == torch.float16:
        probabilities = probabilities.float()
    return (probabilities * (probabilities + NO_LOG).log()).sum(dim=-1)
