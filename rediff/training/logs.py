"""What a training run writes down while it goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

LOG = "log.jsonl"


class JsonLog(TrainerCallback):
    """Appends every log entry to a file as one JSON line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = time.perf_counter()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        entry = {
            "step": state.global_step,
            "steps": state.max_steps,
            "seconds": round(time.perf_counter() - self.started, 1),
            **{name: round(float(value), 5) for name, value in logs.items()},
        }
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def read_log(path: Path) -> list[dict[str, float]]:
    """The entries of a stage's `log.jsonl`; none if there is no such file.

    A step that was logged twice, before and after a resume, counts once, as it was last.
    """
    lines = path.read_text().splitlines() if path.is_file() else []
    entries = {entry["step"]: entry for entry in map(json.loads, lines)}
    return [entries[step] for step in sorted(entries)]
