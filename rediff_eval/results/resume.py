"""Resuming a command that is started again: in which folder, and which folders it leaves alone.

An interrupted run is resumed: captions that are on disk (`PartStore` in `rediff/io/part_store.py`,
a line for each, found by its key) are not made again, failed ones are tried once more, and scoring
follows. A finished folder is only overwritten by a run that takes nothing away from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rediff.captioners.sources import ModelSource
from rediff.io.files import replace as write
from rediff.io.part_store import is_taken
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.captioning.caption_store import PARTS
from rediff_eval.captioning.config import CaptioningConfig
from rediff_eval.metrics.config import ScoringConfig
from rediff_eval.metrics.preset import current_name
from rediff_eval.results.finished import RESULTS, RUN_FILES, read_results

if TYPE_CHECKING:
    from rediff.llm_client.server import ServerSpec

RUNS = Path("runs")
SETTINGS = "settings.sha256"
"""Mark of a run folder: a hash of all that its command asked for."""
ADDED_LOADING = {"compiled": False}
"""Ways to load that older manifests lack: off is the same as absent."""


def settings_hash(settings: Sequence[object]) -> str:
    """A hash of a run's settings, from the text of its configurations."""
    return hashlib.sha256(repr(list(settings)).encode()).hexdigest()


def choose_folder(task: str, settings: Sequence[object], root: Path = RUNS) -> Path:
    """The newest unfinished folder of the same settings that nobody works in, else a new one.

    Args:
        task: name of the task; a new folder is named after it and the time.
        settings: of the run.
        root: the folder of all runs.
    """
    mine = settings_hash(settings)
    for folder in sorted(root.glob(f"{task}-*"), reverse=True):
        mark = folder / SETTINGS
        unfinished = mark.is_file() and not (folder / RESULTS).is_file()
        if unfinished and mark.read_text() == mine and not is_taken(folder / PARTS):
            return folder
    return root / f"{task}-{datetime.now():%Y%m%d-%H%M%S}"


def mark_folder(folder: Path, settings: Sequence[object]) -> None:
    """Leaves the mark by which `choose_folder` finds the run again.

    Args:
        folder: of the run.
        settings: all that makes it this run and no other.
    """
    write(folder / SETTINGS, settings_hash(settings))


def check_folder(
    folder: Path,
    task: str,
    samples: SampleSet,
    captioning: CaptioningConfig,
    scoring: ScoringConfig,
    judge: ServerSpec | None,
) -> None:
    """Refuses a folder with results that this run would take away.

    Args:
        folder: of the run; an unfinished one is taken.
        task: the name of the task.
        samples: the data.
        captioning: models, samplers and budgets.
        scoring: metrics and presets.
        judge: the judge's server, or None.

    Raises:
        ValueError: if the results are of another task, data, judge or way to score, of models,
            samplers or budgets that this run does not have, or of more samples; and for a folder
            with files that would be written over and that no run has made.
    """
    manifest = _manifest_there(folder)
    if manifest is None:
        return
    same = {
        **_same_data(manifest, task, samples),
        **_same_captioning(manifest, captioning),
        **_same_scoring(manifest, scoring, judge),
    }
    differing = [what for what, is_same in same.items() if not is_same]
    if differing:
        raise ValueError(
            f"{folder} holds a finished run with other {' and '.join(differing)}: choose another"
            " --out"
        )


def check_imported(folder: Path, task: str, samples: SampleSet, where: str) -> None:
    """The same for captions that were made elsewhere.

    Args:
        folder: of the run.
        task: the name of the task.
        samples: the data.
        where: the file of the captions.

    Raises:
        ValueError: if the folder holds other results, or files as `check_folder` says.
    """
    manifest = _manifest_there(folder)
    if manifest is None:
        return
    before = (
        manifest["task"]["name"],
        manifest["data"]["sha256"],
        next((m["from"].partition(":")[2] for m in manifest["models"].values()), None),
    )
    if before != (task, samples.digest, where):
        raise ValueError(f"{folder} holds other results; choose another --out")


def _manifest_there(folder: Path) -> Mapping[str, Any] | None:
    """The origin of the results of a folder; None where there are none.

    Raises ValueError for a folder with a file of a name that a run writes and that is of no run.
    """
    if (folder / RESULTS).is_file():
        manifest: Mapping[str, Any] = read_results(folder)["manifest"]
        return manifest
    foreign = [name for name in RUN_FILES if (folder / name).exists()]
    if foreign and not (folder / SETTINGS).is_file():
        raise ValueError(
            f"{folder / foreign[0]} is there and of no run, and this run would write over it:"
            " choose another --out"
        )
    return None


def _same_data(manifest: Mapping[str, Any], task: str, samples: SampleSet) -> dict[str, bool]:
    data = manifest["data"]
    whole = samples.name.partition(", first ")[0]
    path = None if samples.place is None else str(samples.place)
    return {
        "task": manifest["task"]["name"] == task,
        "data": data["name"].partition(", first ")[0] == whole and data.get("path") == path,
        "samples": data["samples"] <= len(samples.samples),
    }


def _same_captioning(manifest: Mapping[str, Any], config: CaptioningConfig) -> dict[str, bool]:
    models, loading = config.models, loading_of(config.models)
    asked_before = set(manifest.get("asked", manifest["models"]))
    return {
        "models": asked_before <= set(asked(models))
        or ("asked" not in manifest and asked_before <= {model.name for model in models}),
        "samplers": _holds(config.samplers, manifest["samplers"]),
        "steps": _holds(config.steps, manifest["steps"]),
        "guidance": manifest.get("guidance", config.guidance) == config.guidance,
        "loading": same_loading(manifest.get("loading", loading), loading),
    }


def _same_scoring(
    manifest: Mapping[str, Any], config: ScoringConfig, judge: ServerSpec | None
) -> dict[str, bool]:
    before: dict[str, Any] = dict(manifest.get("scoring", {}))
    before["preset"] = current_name(before.get("preset", config.preset))
    judged_by = manifest.get("judge") or {}
    return {
        "scoring": all(
            before.get(name) in (None, value)
            for name, value in scoring_of(config).items()
            if name != "metric_seconds"
        ),
        "judge": not judged_by or (judge is not None and judged_by.get("model") == judge.model),
    }


def same_loading(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs loaded their models alike.

    Args:
        one: as `loading_of` gives it, maybe of an older version.
        other: the same of another run.
    """
    return {**ADDED_LOADING, **one} == {**ADDED_LOADING, **other}


def loading_of(models: Iterable[ModelSource]) -> dict[str, Any]:
    """How the models are loaded, as a manifest has it: only settings that change captions."""
    names = ("dtype", "max_tokens", "seed", "trust_remote_code", "base_url", "compiled")
    loadings = [{name: getattr(model.loading, name) for name in names} for model in models]
    return loadings[0] if loadings else {}


def scoring_of(config: ScoringConfig) -> dict[str, Any]:
    """How captions are scored, as a manifest has it: all but the judge and the device."""
    plain = {name: value for name, value in asdict(config).items() if name != "judge"}
    return {k: str(v) if isinstance(v, Path) else v for k, v in plain.items() if k != "device"}


def asked(models: Iterable[ModelSource]) -> list[str]:
    """The models with the samplers that were asked for, as a manifest has them."""
    return [model.asked for model in models]


def _holds(now: Iterable[Any], before: Iterable[Any]) -> bool:
    """Whether all that was chosen before is chosen now; nothing chosen is a choice of its own."""
    kept, chosen = set(before), set(now)
    return kept == chosen if not kept or not chosen else kept <= chosen
