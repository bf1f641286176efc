"""Plays a trace in the terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.text import Text
from transformers import PreTrainedTokenizerBase

from rediff.decoding.trace import Trace

MASKED, COMMITTED, REVISED = "dim", "bold green", "bold magenta"


def play(
    trace: Trace, tokenizer: PreTrainedTokenizerBase, console: Console, *, delay: float
) -> None:
    """Shows each denoising step: masks dim, tokens just written green, just revised magenta.

    On a terminal the steps follow one another in place, `delay` seconds apart; elsewhere each is
    printed below the last.
    """
    frames = [frame(trace, tokenizer, step) for step in range(len(trace.tokens))]
    if not console.is_terminal:
        for text in frames:
            console.print(text, soft_wrap=True)
        return
    with Live(console=console, refresh_per_second=30) as live:
        for text in frames:
            live.update(text)
            time.sleep(delay)


def frame(trace: Trace, tokenizer: PreTrainedTokenizerBase, step: int) -> Text:
    """One step as styled text: its number, then the canvas up to its stop."""
    text = Text(f"step {step + 1}/{len(trace.tokens)}  ")
    tokens = trace.tokens[step].tolist()
    for position, token in enumerate(tokens):
        if trace.masked[step, position]:
            text.append("░ ", MASKED)
            continue
        if token == tokenizer.eos_token_id:
            text.append("■", COMMITTED if trace.committed[step, position] else "")
            break
        style = ""
        if trace.committed[step, position]:
            style = COMMITTED
        elif trace.revised[step, position]:
            style = REVISED
        text.append(str(tokenizer.convert_ids_to_tokens(token)), style)
        text.append(" ")
    return text
