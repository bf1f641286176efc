"""`rediff-eval` as a person calls it, and what a run left behind."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def program(*arguments: str | Path, ok: int = 0, cwd: Path | None = None, **env: str) -> str:
    """Runs `rediff-eval`; returns its whole output after checking its exit code."""

    done = subprocess.run(
        [sys.executable, "-m", "rediff_eval", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False, env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


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
