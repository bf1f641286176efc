"""Tasks: benchmark definitions, read from `tasks/<name>/task.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rediff.suggest import explain, unknown


class Task(BaseModel):
    """What is measured on what.

    `limit`: samples by default. `captions`: references a sample. `tokens_per_step`: the budgets.
    `metrics`: names of `rediff_eval.metrics.METRICS`; `main_metric` is what tables rank by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    data: Literal["scenes"]
    split: str
    captions: int = Field(gt=0)
    limit: int = Field(gt=0)
    prompt: str
    tokens_per_step: tuple[int, ...]
    metrics: tuple[str, ...]
    main_metric: str


def tasks_folder() -> Path:
    """Where the task definitions are: inside an installed wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "_tasks"
    return installed if installed.is_dir() else package.parent / "tasks"


def paper_numbers() -> Path:
    """The file of the numbers published in the paper."""
    package = Path(__file__).parent
    installed = package / "_paper.csv"
    return installed if installed.is_file() else package.parent / "results" / "paper.csv"


def list_tasks() -> list[str]:
    """The names of all tasks, sorted."""
    return sorted(path.parent.name for path in tasks_folder().glob("*/task.yaml"))


def load_task(name: str) -> Task:
    """The task of that name.

    Raises ValueError for an unknown name (the nearest is suggested) or a broken definition.
    """
    if name not in list_tasks():
        raise unknown("task", name, list_tasks())
    path = tasks_folder() / name / "task.yaml"
    try:
        return Task.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise ValueError(f"{path}: {explain(error, Task.model_fields)}") from error
