"""The samples of a run, and how they are loaded."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from rediff.io.names import first_twice
from rediff_eval.benchmarks.caparena import load_caparena
from rediff_eval.benchmarks.capmas import load_capmas
from rediff_eval.benchmarks.detailcaps import load_detailcaps
from rediff_eval.benchmarks.local import own_name, own_samples
from rediff_eval.benchmarks.sample import DataKind, SampleSet
from rediff_eval.benchmarks.scenes import scene_samples, scenes_name
from rediff_eval.benchmarks.task import Task

DATA = "REDIFF_EVAL_DATA"
"""Environment variable: a folder with a folder for each task that has official data."""
LOADERS = {"detailcaps": load_detailcaps, "capmas": load_capmas, "caparena": load_caparena}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Which samples of which data.

    `limit`: the first so many, None for the task's number. `data`: the user's own. `data_dir`: the
    folder of the task's official data; where it is None, that of the environment, if it exists.
    """

    task: Task
    limit: int | None = None
    data: Path | None = None
    data_dir: Path | None = None


def load_samples(config: DataConfig, *, allowed: float = 0.0) -> SampleSet:
    """The samples: of the user's own data, of the task's own or official data, or of the scenes.

    Args:
        config: the task, where its data may be, and how many samples.
        allowed: the share of samples that may be broken.

    Raises:
        ValueError: or OSError, with the files to get and where to put them, if the data are
            missing, or if more than the share `allowed` of them is broken.
    """
    task, limit, data = config.task, config.limit, config.data or config.task.data
    if data is not None:
        found = load_kind("own", task, limit, data)
    else:
        folder = config.data_dir or official_folder(task)
        found = load_kind("scenes" if folder is None else "official", task, limit, folder)
    broken = [sample for sample in found.samples if sample.broken]
    if len(broken) > allowed * len(found.samples):
        first = str(broken[0].broken)
        first = first if first.startswith(broken[0].id) else f"{broken[0].id}: {first}"
        raise ValueError(
            f"{len(broken)} of {len(found.samples)} entries cannot be used, and `max_failures`"
            f" allows {allowed:.0%}; the first, {first}"
        )
    return found


def load_kind(kind: DataKind, task: Task, limit: int | None, place: Path | None) -> SampleSet:
    """The first samples of one kind of data.

    Args:
        kind: `own`, `official` or `scenes`.
        task: says how official data are read and which scenes are its own.
        limit: how many; None for all.
        place: file or folder of the data; None for scenes.

    Raises:
        ValueError: or OSError, as `load_samples` does.
    """
    if kind == "own":
        assert place is not None
        notes: list[str] = []
        own = tuple(itertools.islice(own_samples(place, notes), limit))
        if not own:
            raise ValueError("; ".join([f"{place} holds no images", *notes]))
        where = place.resolve() if place.exists() else place
        return SampleSet(own_name(place), own, kind, where, tuple(notes))
    if kind == "official":
        assert place is not None
        return _load_official(task, limit, place)
    if task.scenes is None:
        raise ValueError(
            f"task {task.name} needs your own pictures: --data with a folder, a JSON lines file or"
            " a parquet file (see its README)"
        )
    samples = scene_samples(task.scenes, task.limit if limit is None else limit)
    return SampleSet(scenes_name(task.scenes), samples, kind)


def _load_official(task: Task, limit: int | None, folder: Path) -> SampleSet:
    if task.official is None:
        raise ValueError(f"task {task.name} has no official data; give your own by --data")
    everything = LOADERS[task.official.loader](folder)
    twice = first_twice(sample.id for sample in everything)
    if twice is not None:
        raise ValueError(f"{folder}: duplicate id {twice!r}")
    part = "" if limit is None or limit >= len(everything) else f", first {limit}"
    return SampleSet(
        f"{task.official.name}{part}", tuple(everything[:limit]), "official", folder.resolve()
    )


def official_folder(task: Task) -> Path | None:
    """The folder of a task's official data by the environment, if there is one."""
    root = os.environ.get(DATA)
    if not root or task.official is None:
        return None
    folder = Path(root) / task.name
    return folder if folder.is_dir() else None
