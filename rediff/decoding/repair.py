"""Slow repair: words that the rest of the text does not support are hidden and written again."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from rediff.decoding.active_rows import ActiveRows
from rediff.decoding.canvas import Canvas
from rediff.decoding.denoiser import Denoiser
from rediff.decoding.loop import Decoded, decode_by_rules, open_positions, split_steps
from rediff.decoding.recorder import Recorder
from rediff.decoding.repair_options import RepairOptions
from rediff.decoding.rules import Rules
from rediff.decoding.support import hidden_support
from rediff.decoding.unmask import top_ranked


@torch.inference_mode()
def decode_repair(
    options: RepairOptions, denoiser: Denoiser, canvas: Canvas, steps: int, recorder: Recorder
) -> Decoded:
    """Writes the masks of the canvas quickly, then repairs the visible tokens.

    Args:
        options: of the sampler.
        denoiser: gives logits for the canvas.
        canvas: blank, partly written, or a whole text, which is repaired only. A batch in which
            some row has a mask has a draft written for all.
        steps: forward passes at most.
        recorder: is given every step of writing and, as one step, the tokens that each round masks.

    Raises:
        ValueError: for more steps than tokens.
    """
    length = canvas.tokens.size(1)
    split_steps(length, length, steps)
    writing = Rules(refresh=options.refresh)
    blank = bool(open_positions(canvas, torch.ones_like(canvas.masked[0])).any())
    first, refills = plan(options, steps, draft=blank)
    nfe = [0] * len(canvas.done)
    if blank:
        drafted = decode_by_rules(writing, denoiser, canvas, first, recorder)
        canvas, nfe = drafted.canvas, drafted.nfe
    finished = ~canvas.words().any(dim=1)
    for refill in refills:
        before = replace(canvas, done=finished)
        hidden, passes = _hide(options, denoiser, before, recorder)
        filled = decode_by_rules(writing, denoiser, hidden, refill, recorder)
        nfe = [sum(counts) for counts in zip(nfe, passes, filled.nfe, strict=True)]
        canvas = filled.canvas
        finished = finished | (canvas.tokens == before.tokens).all(dim=1)
        if bool(finished.all()):
            break
    canvas = replace(canvas, done=torch.ones_like(finished))
    return Decoded(canvas.responses(), nfe, canvas)


def plan(options: RepairOptions, steps: int, *, draft: bool) -> tuple[int, list[int]]:
    """Steps of the draft, and of the refill of each round; with `parts` a round, at most `steps`.

    Args:
        options: of the sampler.
        steps: forward passes at most.
        draft: whether there is one to write.

    Examples:
        >>> plan(RepairOptions(), 80, draft=True), plan(RepairOptions(), 4, draft=True)
        ((10, [31, 31]), (4, []))
    """
    first = max(1, math.ceil(steps * options.draft)) if draft else 0
    rounds = min(options.rounds, (steps - first) // (options.parts + 1))
    if rounds == 0:
        return steps if draft else 0, []
    return first, [(steps - first) // rounds - options.parts] * rounds


def _hide(
    options: RepairOptions, denoiser: Denoiser, canvas: Canvas, recorder: Recorder
) -> tuple[Canvas, list[int]]:
    """The canvas with its least supported words hidden, and the passes of each row."""
    rows, words = ActiveRows(len(canvas.done), denoiser.passes), canvas.words()
    numbers = rows.begin_step(canvas.done, None)
    if len(numbers) == 0:
        return canvas, rows.nfe
    exact, active = denoiser.refreshed(options.refresh), rows.on_device
    found = hidden_support(
        lambda tokens: exact(tokens, numbers),
        canvas.tokens[active],
        words[active],
        canvas.ids,
        options.parts,
    )
    for _ in range(options.parts - 1):
        rows.count(numbers.tolist())
    rows.end(found)
    support = found.confidence
    number = (words[active].sum(dim=1) * options.most).ceil()
    hide = torch.zeros_like(words)
    hide[active] = top_ranked(-support, words[active] & (support < options.below), number)
    hidden = replace(
        canvas,
        tokens=canvas.tokens.masked_fill(hide, canvas.ids.mask),
        masked=canvas.masked | hide,
        done=canvas.done | ~hide.any(dim=1),
    )
    recorder(canvas, hidden, active, found)
    return hidden, rows.nfe
