"""The samples of a run."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from rediff_eval.samples import Sample, SampleSet
from rediff_eval.sources.caparena import load_caparena
from rediff_eval.sources.capmas import load_capmas
from rediff_eval.sources.detailcaps import load_detailcaps
from rediff_eval.sources.own import own_name, own_samples
from rediff_eval.sources.scenes import scene_samples, scenes_name
from rediff_eval.task import Task

DATA = "REDIFF_EVAL_DATA"
"""Environment variable: a folder with a folder for each task that has official data."""
LOADERS = {"detailcaps": load_detailcaps, "capmas": load_capmas, "caparena": load_caparena}


def load_samples(
    task: Task, limit: int | None, data: Path | None, data_dir: Path | None = None
) -> SampleSet:
    """The first `limit` samples: of the user's own data, the task's official data, or the scenes.

    `data`: the user's own. `data_dir`: the folder of the official data; where it is None, that of
    the environment, if it is there. Raises ValueError or OSError, with what to get and where to
    put it, if what was asked for is missing or broken.
    """
    if data is not None:
        own = tuple(itertools.islice(own_samples(data), limit))
        if not own:
            raise ValueError(f"{data} holds no images")
        return SampleSet(own_name(data), own, "own")
    folder = data_dir or official_folder(task)
    if folder is not None:
        if task.official is None:
            raise ValueError(f"task {task.name} has no official data; give your own by --data")
        return SampleSet(
            task.official.name, tuple(_first(LOADERS[task.official.loader](folder), limit)),
            "official",
        )  # fmt: skip
    if task.scenes is None:
        raise ValueError(
            f"task {task.name} needs your own pictures: --data with a folder, a JSON lines file or"
            " a parquet file (see its README)"
        )
    samples = scene_samples(task.scenes, limit or task.limit)
    return SampleSet(scenes_name(task.scenes), samples, "scenes")


def official_folder(task: Task) -> Path | None:
    """The folder of a task's official data by the environment, if there is one."""
    root = os.environ.get(DATA)
    if not root or task.official is None:
        return None
    folder = Path(root) / task.name
    return folder if folder.is_dir() else None


def _first(samples: list[Sample], limit: int | None) -> list[Sample]:
    return samples[:limit]
