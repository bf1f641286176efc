"""Logs of a training run: how far each stage is, and its losses."""

from __future__ import annotations

import json
import time
from pathlib import Path

from rediff.io.files import replace, whole_lines

LOG = "log.jsonl"
COUNT = "count.json"
TELL_EVERY = 1.0
"""Seconds between two writings of a count."""


class Count:
    """Says in a file how much is done, of `total`, of a work that takes no optimisation steps."""

    def __init__(self, folder: Path, total: int) -> None:
        self.path = folder / COUNT
        self.total = total
        self.done = 0
        self.started = time.perf_counter()
        self.told = -TELL_EVERY

    def __enter__(self) -> Count:
        self(0)
        return self

    def __exit__(self, *exception: object) -> None:
        self.path.unlink(missing_ok=True)

    def __call__(self, units: int = 1) -> None:
        """Adds to the count."""
        self.done += units
        seconds = time.perf_counter() - self.started
        if seconds - self.told < TELL_EVERY:
            return
        self.told = seconds
        entry = {"step": self.done, "steps": self.total, "seconds": round(seconds, 1)}
        replace(self.path, json.dumps(entry))


def read_count(folder: Path) -> dict[str, float] | None:
    """The last count that a `Count` wrote in a folder; None where none is at work."""
    try:
        found: dict[str, float] = json.loads((folder / COUNT).read_text())
    except FileNotFoundError:
        return None
    return found


def read_log(path: Path) -> list[dict[str, float]]:
    """The entries of a stage's `log.jsonl`; none if the file does not exist.

    A step that was logged twice, before and after a resume, counts once, by its last entry. A last
    line that is being written, or was cut short, is left out.
    """
    lines = whole_lines(path) if path.is_file() else ()
    entries: dict[float, dict[str, float]] = {}
    for entry in map(json.loads, lines):
        entries[entry["step"]] = entries.get(entry["step"], {}) | entry
    return [entries[step] for step in sorted(entries)]
