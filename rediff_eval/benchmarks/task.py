"""Tasks: benchmark definitions, read from `tasks/NAME/task.yaml` or from any YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from rediff.data.dialogue import CAPTION_PROMPT
from rediff.io.strict_yaml import load_yaml
from rediff.io.suggest import unknown
from rediff_eval.benchmarks.sample import DataKind

PACKAGE = Path(__file__).parents[1]
"""The folder of `rediff_eval`."""


class SceneData(BaseModel):
    """Embedded scenes: a split, with `captions` references each, and questions or the captions of
    reference models where the metrics need them.

    `dialogues`: each is asked a question of its own, the families of `rediff.scenes.dialogues` in
    turn, and has true answers as references.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: str
    captions: int = Field(gt=0)
    questions: bool = False
    rivals: bool = False
    dialogues: bool = False

    @model_validator(mode="after")
    def _one_sort(self) -> SceneData:
        if self.dialogues and (self.questions or self.rivals):
            raise ValueError("'dialogues' are samples of their own: no 'questions', no 'rivals'")
        return self


class OfficialData(BaseModel):
    """The benchmark's own data. `name` is shown in results; `loader` reads it from a folder;
    `metrics` and `main_metric` are measured on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    loader: Literal["detailcaps", "capmas", "caparena"]
    metrics: tuple[str, ...]
    main_metric: str


class Task(BaseModel):
    """A benchmark: data, prompt, budgets and metrics.

    `scenes`: the embedded data, None where a task has none. `official`: the benchmark's own data.
    `data`: pictures that come with the task, as `--data` takes them; relative to the task's file.
    `limit`: scenes by default. `prompt`: asked where a sample has no dialogue.
    `tokens_per_step`: the budgets. `metrics`: names of registered metrics (see
    `register_metric`), on scenes and on the user's own data; tables rank by `main_metric`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str = ""
    scenes: SceneData | None = None
    official: OfficialData | None = None
    data: Path | None = None
    limit: int = Field(default=32, gt=0)
    prompt: str = CAPTION_PROMPT
    tokens_per_step: tuple[PositiveInt, ...] = (1, 2, 4, 8)
    metrics: tuple[str, ...]
    main_metric: str

    def metrics_on(self, kind: DataKind) -> tuple[str, ...]:
        """The groups of metrics for data of a kind."""
        return self.official.metrics if kind == "official" and self.official else self.metrics

    def main_metric_on(self, kind: DataKind) -> str:
        """The metric by which tables of a kind of data rank."""
        official = self.official if kind == "official" else None
        return official.main_metric if official else self.main_metric


def tasks_folder() -> Path:
    """Where the task definitions are: inside an installed wheel, or at the top of a checkout."""
    installed = PACKAGE / "_tasks"
    return installed if installed.is_dir() else PACKAGE.parent / "tasks"


def paper_numbers() -> Path:
    """The file of the numbers published in the paper."""
    installed = PACKAGE / "_paper.csv"
    return installed if installed.is_file() else PACKAGE.parent / "results" / "paper.csv"


def list_tasks() -> list[str]:
    """The names of all tasks, sorted."""
    return sorted(path.parent.name for path in tasks_folder().glob("*/task.yaml"))


def load_task(name: str) -> Task:
    """The task of that name, or of the YAML file (or its folder) at that path.

    Raises ValueError for an unknown name (the nearest is suggested) or a broken definition.
    """
    path = Path(name)
    path = path / "task.yaml" if path.is_dir() and (path / "task.yaml").is_file() else path
    if path.suffix in (".yaml", ".yml") and path.is_file():
        task = load_yaml(path, Task)
        data = None if task.data is None else (path.parent / task.data).resolve()
        return task.model_copy(update={"data": data})
    if name not in list_tasks():
        raise unknown("task", name, list_tasks())
    return load_yaml(tasks_folder() / name / "task.yaml", Task)
