"""What is listed, shown and helped with in a terminal."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from programs import inside, program
from rich.console import Console

from rediff.decoding.registry import SAMPLERS
from rediff_eval.views.trace_player import ending, play


def on_terminal(*arguments: str, columns: int) -> str:
    """What the program prints on a terminal of that width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "rediff_eval", *arguments],
        stdout=follower, env={**environment, "TERM": "dumb"},
    )  # fmt: skip
    os.close(follower)
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(leader)
    assert process.wait() == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_each_command_is_summed_up_in_a_line() -> None:
    text = program("--help", COLUMNS="80")
    commands = text.split("Commands:\n")[1].splitlines()
    assert len(commands) > 15
    for line in commands:
        assert line.endswith("."), line
        assert not line.endswith("..."), line


@pytest.mark.parametrize("columns", [80, 110, 140])
def test_lists_are_tables_on_a_terminal(columns: int) -> None:
    text = on_terminal("list", "samplers", columns=columns)
    assert max(map(len, text.splitlines())) <= columns
    for word in ("options", "source", *SAMPLERS):
        assert word in text
    assert "2510.19871" in text


@pytest.mark.parametrize("what", ["tasks", "models", "metrics", "recipes"])
def test_lists_are_lines_elsewhere(what: str) -> None:
    lines = program("list", what).splitlines()
    assert len(lines) > 3
    assert all(line[0] != " " and len(line.split()) > 1 for line in lines)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("terminal") / "run"
    inside("run", "--task", "capture", "--limit", "2", "--model", "rediff:refine", "--steps", "40",
           "--keep-traces", "2", "--out", out)  # fmt: skip
    return out


def test_show_lists_what_it_can_show(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "captions.jsonl").read_text().splitlines()]
    listed = program("show", str(run), "--list")
    for line in lines:
        (row,) = [row for row in listed.splitlines() if line["id"] in row]
        assert str(line["nfe"]) in row.split()
    assert "--list" in program("show", str(run), "--steps", "7", ok=2)


def test_steps_are_wrapped_at_words_and_say_why_they_ended(run: Path) -> None:
    line = json.loads((run / "captions.jsonl").read_text().splitlines()[0])
    text = program("show", str(run), "--id", line["id"], COLUMNS="60")
    *rows, caption = text.splitlines()
    assert caption == line["text"]
    assert max(map(len, rows)) <= 60
    written = {word for changes in line["trace"]["steps"] for _, word, _, _ in changes}
    last = " ".join(rows[max(i for i, row in enumerate(rows) if row.startswith("step ")) :])
    assert set(last.split("■")[0].split()[2:]) <= written
    assert line["nfe"] < 40
    assert f"Ended after {line['nfe']} of 40 steps: " in text


def trace(*steps: list[Any]) -> dict[str, Any]:
    return {"length": 2, "truth": None, "steps": list(steps)}


FULL = [[0, "a", 0.9, "c"], [1, "b", 0.9, "c"]]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((FULL,), "every word was written"),
        ((FULL, []), "nothing changed any more"),
        ((FULL, [[0, "c", 0.5, "r"]], [[0, "a", 0.5, "r"]]), "the same as before"),
    ],
)
def test_the_reason_is_read_from_the_steps(steps: tuple[list[Any], ...], why: str) -> None:
    assert why in ending(trace(*steps))
    console = Console(file=StringIO(), width=80)
    play(trace(*steps), console, delay=0, budget=9)
    assert f"Ended after {len(steps)} of 9 steps" in console.file.getvalue()  # type: ignore[attr-defined]
    console = Console(file=StringIO(), width=80)
    play(trace(*steps), console, delay=0, budget=len(steps))
    assert "Ended" not in console.file.getvalue()  # type: ignore[attr-defined]
