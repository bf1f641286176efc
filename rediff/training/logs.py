"""Logs of a training run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rediff.io.files import replace, whole_lines
from rediff.training.validation import METRIC

LOG = "log.jsonl"
COUNT = "count.json"
TELL_EVERY = 1.0
"""Seconds between two writings of a count."""


class JsonLog(TrainerCallback):
    """Appends every log entry to a file as one JSON line.

    A run that resumes from a saved state removes what was logged after it, so that each step is
    there once, and counts its seconds on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = time.perf_counter()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        kept = [entry for entry in read_log(self.path) if entry["step"] <= state.global_step]
        replace(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))
        self.started = time.perf_counter() - (kept[-1].get("seconds", 0.0) if kept else 0.0)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = {name.removeprefix("eval_"): value for name, value in (logs or {}).items()}
        if not state.is_world_process_zero or not logs.keys() & {"loss", METRIC}:
            return
        entry = {
            "step": state.global_step,
            "steps": state.max_steps,
            "seconds": round(time.perf_counter() - self.started, 1),
            **{name: round(float(value), 5) for name, value in logs.items()},
        }
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


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
        """Adds to what is done."""
        self.done += units
        seconds = time.perf_counter() - self.started
        if seconds - self.told < TELL_EVERY:
            return
        self.told = seconds
        entry = {"step": self.done, "steps": self.total, "seconds": round(seconds, 1)}
        replace(self.path, json.dumps(entry))


def read_count(folder: Path) -> dict[str, float] | None:
    """What a `Count` has last written in a folder; None where none is at work."""
    try:
        found: dict[str, float] = json.loads((folder / COUNT).read_text())
    except FileNotFoundError:
        return None
    return found


def read_log(path: Path) -> list[dict[str, float]]:
    """The entries of a stage's `log.jsonl`; none if the file does not exist.

    What was logged of a step twice, before and after a resume, counts once, as it was last. A last
    line that is being written, or was cut short, is left out.
    """
    lines = whole_lines(path) if path.is_file() else ()
    entries: dict[float, dict[str, float]] = {}
    for entry in map(json.loads, lines):
        entries[entry["step"]] = entries.get(entry["step"], {}) | entry
    return [entries[step] for step in sorted(entries)]
