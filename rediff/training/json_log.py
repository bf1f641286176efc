"""The callback that writes a stage's log (`logs.py` reads it)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rediff.io.files import replace
from rediff.training.logs import read_log
from rediff.training.validation import METRIC


class JsonLog(TrainerCallback):
    """Appends every log entry to a file as one JSON line.

    A run that resumes from a saved state removes later entries, so that each step is
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
