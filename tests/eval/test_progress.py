"""What long work reports while it runs."""

import re
import time
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from rediff_eval import progress as module
from rediff_eval.captioning import runner
from rediff_eval.captioning.runner import growing
from rediff_eval.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Seconds that the test sets."""

    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    made = Clock()
    monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(runner, "time", made)
    return made


@pytest.fixture
def console() -> Console:
    """No terminal; `said` reads it."""
    return Console(file=StringIO(), width=120)


def said(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_lines_say_what_is_left_of_this_and_of_all(clock: Any, console: Console) -> None:
    progress = Progress(console)
    for number in (1, 2):
        with progress.task(f"model {number}", 100, part=(number, 4)) as advance:
            for _ in range(2):
                clock.now += 50
                advance(50)
    assert said(console).splitlines() == [
        "model 1: 50 in 50.0 s (1.0/s), 50 left, 50 s, all 4 in about 6 min",
        "model 1: 100 in 100.0 s (1.0/s)",
        "model 2: 50 in 50.0 s (1.0/s), 50 left, 50 s, all 4 in about 4 min",
        "model 2: 100 in 100.0 s (1.0/s)",
    ]


def test_what_an_earlier_run_has_done_took_no_time_of_this_one(
    clock: Any, console: Console
) -> None:
    with Progress(console).task("model 1", 100, done=60, part=(1, 2)) as advance:
        clock.now += 40
        advance(20)
        clock.now += 40
        advance(20)
    assert said(console).splitlines() == [
        "model 1: 20 in 40.0 s (0.5/s), 20 left, 40 s, all 2 in about 4 min",
        "model 1: 40 in 80.0 s (0.5/s), 60 were done before",
    ]


def test_a_piece_that_was_done_before_counts_for_nothing(clock: Any, console: Console) -> None:
    progress = Progress(console)
    with progress.task("model 1", 100, done=100, part=(1, 2)):
        pass
    with progress.task("model 2", 100, part=(2, 2)) as advance:
        clock.now += 50
        advance(50)
        advance(50)
    text = said(console)
    assert "model 2: 50 in 50.0 s (1.0/s), 50 left, 50 s, all 2 in about 50 s" in text


def test_one_piece_says_its_own_time_alone(clock: Any, console: Console) -> None:
    with Progress(console).task("scoring", 3, done=1) as advance:
        clock.now += 60
        advance(1)
        clock.now += 60
        advance(1)
    assert said(console).splitlines() == [
        "scoring: 1 in 60.0 s (0.0/s), 1 left, 60 s",
        "scoring: 2 in 120.0 s (0.0/s), 1 were done before",
    ]


def test_a_bar_says_it_too(clock: Any) -> None:
    console = Console(file=StringIO(), width=160, force_terminal=True)
    with Progress(console).task("model", 10, part=(1, 2)) as advance:
        clock.now += 100
        advance(3)
        time.sleep(0.3)
        advance(2)
        time.sleep(0.3)
    text = said(console)
    assert "all 2 in about 5 min" in text
    assert re.search(r"\d\.\d/s", text)


@pytest.mark.parametrize(
    ("seconds", "conditions", "sizes"),
    [(0.1, 1, [1, 16, 16, 7]), (60.0, 1, [1, 2, 4, 8, 16, 9]), (60.0, 30, [1, 16, 16, 7])],
)
def test_batches_grow(clock: Any, seconds: float, conditions: int, sizes: list[int]) -> None:
    """At once where a condition is quick, by doubling where it is slow; nothing is lost."""
    given: list[Any] = list(range(40))
    found = []
    for batch in growing(given, 16, conditions):
        found.append(list(batch))
        clock.now += seconds
    assert [len(batch) for batch in found] == sizes
    assert [one for batch in found for one in batch] == given
