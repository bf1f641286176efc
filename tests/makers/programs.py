"""`rediff-eval` as a person calls it, and the files of a run."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

OWN_PICTURES = Path(__file__).with_name("own-pictures.yaml")
"""The task `captions` where METEOR is not what is tested."""


def program(*arguments: str | Path, ok: int = 0, cwd: Path | None = None, **env: str) -> str:
    """Runs `rediff-eval`; returns its whole output after checking its exit code."""

    done = subprocess.run(
        [sys.executable, "-m", "rediff_eval", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False, env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def killed_when(ready: Callable[[], object], *arguments: str | Path, later: float = 0.0) -> int:
    """Starts `rediff-eval` and kills it, with all that it started, once something is ready.

    `later`: seconds after that. Returns its exit code, which is not that of a kill if it was over
    before.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "rediff_eval", *map(str, arguments)], start_new_session=True
    )
    while not ready() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(later)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def wait_until(ready: Callable[[], object], process: subprocess.Popen[Any]) -> None:
    """Waits for something that a process does; one that ends before fails the test."""
    while not ready():
        assert process.poll() is None
        time.sleep(0.02)


def inside(*arguments: str | Path) -> None:
    """The same in this process, which spares the imports; errors come as exceptions."""
    from rediff_eval.cli import cli

    cli.main([*map(str, arguments)], standalone_mode=False)


def capture(model: str | Path, out: Path, *arguments: str | Path, limit: int = 4) -> list[Any]:
    """Runs the capture task on few samples; returns the lines of captions.jsonl."""
    inside(
        "run", "--task", "capture", "--limit", str(limit), "--model", model, "--out", out,
        *arguments,
    )  # fmt: skip
    return [json.loads(line) for line in (out / "captions.jsonl").read_text().splitlines()]


def numbers(out: Path) -> list[dict[str, str]]:
    """The rows of a run's results.csv."""
    with (out / "results.csv").open() as file:
        return list(csv.DictReader(file))
