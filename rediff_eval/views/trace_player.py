"""Plays how a caption came about in the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rediff_eval.captioning.answers import COMMIT
from rediff_eval.sanitize import plain

STYLES = {
    "masked": "dim",
    "still": "",
    "committed": "bold blue",
    "revised": "bold magenta",
    "fixed": "bold green",
    "broken": "bold red",
}
WRONG = "underline"
LEGEND = "blue: written, green: made right, red: made wrong, magenta: revised, underlined: wrong"


@dataclass(frozen=True, slots=True)
class Place:
    """One place of the canvas after a step; `word` None where it is masked."""

    word: str | None = None
    state: str = "masked"


def replay(trace: Mapping[str, Any]) -> Iterator[list[Place]]:
    """The canvas after every step of a trace, as `answers.history` makes it."""
    places = [Place()] * trace["length"]
    truth = trace["truth"]
    for changes in trace["steps"]:
        places = [replace(p, state="masked" if p.word is None else "still") for p in places]
        for place, word, _, kind in changes:
            right = None if truth is None else truth[place]
            places[place] = Place(word, _state(places[place].word, word, kind, right))
        yield places


def _state(before: str | None, after: str | None, kind: str, right: str | None) -> str:
    if after is None:
        return "masked"
    if kind == COMMIT:
        return "committed"
    if right is not None and before != right and after == right:
        return "fixed"
    if right is not None and before == right and after != right:
        return "broken"
    return "revised"


def play(
    trace: Mapping[str, Any], console: Console, *, delay: float, budget: int | None = None
) -> None:
    """Shows each denoising step, and why there are no more.

    On a terminal the steps follow one another in place; elsewhere each is printed below the last.

    Args:
        trace: as `history` wrote it.
        console: where it is shown; lines are wrapped at words.
        delay: seconds between steps on a terminal.
        budget: steps that there could have been; None for as many as there are.
    """
    total = len(trace["steps"])
    frames = [
        frame(places, trace["truth"], f"step {step}/{total}  ")
        for step, places in enumerate(replay(trace), 1)
    ]
    if console.is_terminal:
        console.print(LEGEND, style="dim")
        with Live(console=console, refresh_per_second=30) as live:
            for text in frames:
                live.update(text)
                time.sleep(delay)
    else:
        for text in frames:
            console.print(text)
    if budget is not None and total < budget:
        console.print(f"Ended after {total} of {budget} steps: {ending(trace)}.", highlight=False)


def ending(trace: Mapping[str, Any]) -> str:
    """Why a trace has no further step, as far as its texts say.

    Args:
        trace: as `history` wrote it, ended before its budget.
    """
    texts = [[place.word for place in places] for places in replay(trace)]
    if texts and not trace["steps"][-1]:
        return "nothing changed any more"
    if texts and texts[-1] in texts[:-1]:
        return "the text was the same as before, and would have changed in a circle"
    return "every word was written"


def frame(places: list[Place], truth: list[str] | None, title: str) -> Text:
    """One step as styled text: its title, then the canvas up to eos."""
    text = Text(title)
    for number, place in enumerate(places):
        if place.word is None:
            text.append("░ ", STYLES["masked"])
            continue
        if place.word.startswith("<|"):
            text.append("■", STYLES[place.state])
            break
        wrong = truth is not None and truth[number] != place.word
        text.append(plain(place.word), f"{STYLES[place.state]} {WRONG if wrong else ''}".strip())
        text.append(" ")
    return text
