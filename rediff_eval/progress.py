"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from rediff_eval.sanitize import plain

if TYPE_CHECKING:
    from rediff.training.reports import StageReport

Advance = Callable[[int], None]
SPEAK_EVERY = 30.0
"""Seconds between lines where the output is not a terminal."""


class RateColumn(ProgressColumn):
    """Units a second, once there is a rate."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


class Progress:
    """Reports named pieces of work of known size, on standard error."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr)
        self.started: float | None = None
        self.found_done = 0.0  # of all pieces, the share that earlier runs have done

    def note(self, text: str) -> None:
        """Writes a note for the user."""
        self.console.print(f"Note: {plain(text)}", highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def task(
        self, title: str, total: int | None, *, done: int = 0, part: tuple[int, int] = (1, 1)
    ) -> Iterator[Advance]:
        """Opens one piece of work; call the yielded function with the number of units just done.

        `total`: None where it is not known. `done`: units that an earlier run has done. `part`:
        which of how many pieces of like size it is, from 1 on; then the time that all of them
        will take is told, too.
        """
        if self.started is None:
            self.started = time.perf_counter()
        self.found_done += done / total / part[1] if total else 0.0
        if self.console.is_terminal:
            with self._bar(title, total, done, part) as advance:
                yield advance
        else:
            yield from self._lines(title, total, done, part)

    def _lines(
        self, title: str, total: int | None, before: int, part: tuple[int, int]
    ) -> Iterator[Advance]:
        """A line every half minute, and one at the end."""
        started = spoken = time.perf_counter()
        done = 0

        def say(end: str) -> None:
            seconds = time.perf_counter() - started
            rate = done / seconds if seconds else 0.0
            self.console.print(
                f"{plain(title)}: {done} in {seconds:.1f} s ({rate:.1f}/s){end}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

        def count(units: int) -> None:
            nonlocal done, spoken
            done += units
            now = time.perf_counter()
            if now - spoken < SPEAK_EVERY or total == before + done:
                return
            spoken = now
            say("" if total is None else left(total, now))

        def left(total: int, now: float) -> str:
            missing = total - before - done
            own = duration(missing / done * (now - started))
            every = self._all_left(part, (before + done) / total)
            return ", ".join(["", f"{missing} left", own, *([every] if every else [])])

        yield count
        say(f", {before} were done before" if before else "")

    def _all_left(self, part: tuple[int, int], share: float) -> str:
        """The time left for all pieces, of one of which a share is done; empty for only one."""
        number, count = part
        whole = (number - 1 + share) / count
        here = whole - self.found_done
        if count == 1 or here <= 0 or self.started is None:
            return ""
        left = (time.perf_counter() - self.started) / here * (1 - whole)
        return f"all {count} in about {duration(left)}"

    @contextmanager
    def _bar(
        self, title: str, total: int | None, done: int, part: tuple[int, int]
    ) -> Iterator[Advance]:
        columns = (
            TextColumn("{task.description:<32}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[all_left]}"),
        )
        with Bars(*columns, console=self.console) as bars:
            task = bars.add_task(escape(plain(title)), total=total, completed=done, all_left="")

            def advance(units: int) -> None:
                bars.advance(task, units)
                if total:
                    share = bars.tasks[0].completed / total
                    bars.update(task, all_left=self._all_left(part, share))

            yield advance


def duration(seconds: float) -> str:
    """A time for people: seconds, or minutes, or hours and minutes.

    Examples:
        >>> duration(12.4), duration(200), duration(7300)
        ('12 s', '3 min', '2 h 2 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class StageProgress:
    """Shows the stages of a training run that are under way; call it with their reports.

    `stages`: all that the run has, so that each is said to be one of as many.
    """

    def __init__(self, console: Console | None = None, *, stages: Sequence[str] = ()) -> None:
        self.stages = tuple(stages)
        self.console = console or Console(file=sys.stderr)
        self.bars = Bars(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            console=self.console,
        )
        self.rows: dict[str, TaskID] = {}
        self.spoken: dict[str, float] = {}

    def __enter__(self) -> StageProgress:
        if self.console.is_terminal:
            self.bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bars.stop()

    def __call__(self, report: StageReport) -> None:
        if self.console.is_terminal:
            self._draw(report)
        else:
            self._speak(report)

    def _draw(self, report: StageReport) -> None:
        if report.stage not in self.rows:
            self.rows[report.stage] = self.bars.add_task(
                escape(self._title(report.stage)), total=None, loss=""
            )
        row = self.rows[report.stage]
        loss = ", ".join(_learning(report))
        if report.finished:
            self.bars.update(row, total=1, completed=1, loss=loss)
        elif report.steps:
            self.bars.update(row, total=report.steps, completed=report.step, loss=loss)

    def _speak(self, report: StageReport) -> None:
        """One line a stage every half minute, and one at its end."""
        now = time.perf_counter()
        first = report.stage not in self.spoken
        if not (first or report.finished) and now - self.spoken[report.stage] < SPEAK_EVERY:
            return
        self.spoken[report.stage] = now
        state = "started" if first else "done" if report.finished else "at work"
        if report.steps and report.step and not report.finished:
            left = report.seconds / report.step * (report.steps - report.step)
            rate = f"{report.step / report.seconds:.1f}/s" if report.seconds else ""
            parts = (f"step {report.step}/{report.steps}", *_learning(report), rate)
            state = ", ".join([*filter(None, parts), f"{duration(left)} left"])
        if report.finished and report.loss is not None:
            losses = ", ".join(_learning(replace(report, lr=None)))
            state = f"done, {losses} at step {report.step}/{report.steps}"
        line = f"{self._title(report.stage)}: {state}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _title(self, stage: str) -> str:
        """The stage, and which of all it is."""
        if stage not in self.stages:
            return stage
        return f"{stage} ({self.stages.index(stage) + 1} of {len(self.stages)})"


def _learning(report: StageReport) -> list[str]:
    """The last log entry of a stage: its losses, and its learning rate."""
    logged = {"loss": report.loss, "validation": report.validation}
    losses = [f"{name} {value:.3f}" for name, value in logged.items() if value is not None]
    return losses if report.lr is None else [*losses, f"lr {report.lr:.2g}"]
