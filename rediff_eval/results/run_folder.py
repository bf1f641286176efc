"""Run folders: which one a command goes on in, and which it must leave alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rediff.io.files import check_finished
from rediff.io.files import replace as write
from rediff_eval.captioning.caption_store import PARTS, is_taken

if TYPE_CHECKING:
    from rediff.llm_client.server import ServerSpec
    from rediff_eval.benchmarks.sample import SampleSet
    from rediff_eval.spec import RunSpec

RUNS = Path("runs")
RESULTS = "results.json"
SETTINGS = "settings.sha256"
"""Mark of a run folder: a hash of all that its command asked for."""


def settings_hash(spec: RunSpec) -> str:
    """What tells a run from those of other settings; the folder is no setting."""
    return hashlib.sha256(repr(replace(spec, out=Path())).encode()).hexdigest()


def choose_folder(spec: RunSpec, root: Path = RUNS) -> Path:
    """The newest unfinished folder of the very same settings that nobody works in, else a new one
    named by task and time."""
    own = settings_hash(spec)
    for folder in sorted(root.glob(f"{spec.task.name}-*"), reverse=True):
        mark = folder / SETTINGS
        unfinished = mark.is_file() and not (folder / RESULTS).is_file()
        if unfinished and mark.read_text() == own and not is_taken(folder / PARTS):
            return folder
    return root / f"{spec.task.name}-{datetime.now():%Y%m%d-%H%M%S}"


def mark_folder(spec: RunSpec) -> None:
    """Leaves the mark by which `choose_folder` finds the run again."""
    write(spec.out / SETTINGS, settings_hash(spec))


def check_folder(spec: RunSpec, samples: SampleSet) -> None:
    """Raises ValueError if the folder holds results that this run would take away: of another task,
    data, judge or way to score, of models, samplers or budgets that it has not, or of more
    samples."""
    from rediff_eval.judging.choosing import choose_judge

    path = spec.out / RESULTS
    if not path.is_file():
        return
    manifest = json.loads(path.read_text(encoding="utf-8"))["manifest"]
    judge = choose_judge(spec, samples)
    differing = [what for what, same in _same(spec, judge, samples, manifest).items() if not same]
    if differing:
        raise ValueError(
            f"{spec.out} holds a finished run with other {' and '.join(differing)}: choose another"
            " --out"
        )


def _same(
    spec: RunSpec, judge: ServerSpec | None, samples: SampleSet, manifest: dict[str, Any]
) -> dict[str, bool]:
    asked_before = manifest.get("judge") or {}
    whole = samples.name.partition(", first ")[0]
    return {
        "task": manifest["task"]["name"] == spec.task.name,
        "data": manifest["data"]["name"].partition(", first ")[0] == whole
        and manifest["data"].get("path") == (None if samples.place is None else str(samples.place)),
        "samples": manifest["data"]["samples"] <= len(samples.samples),
        "models": set(manifest.get("asked", manifest["models"])) <= set(asked(spec))
        or ("asked" not in manifest and set(manifest["models"]) <= {m.name for m in spec.models}),
        "samplers": _holds(spec.samplers, manifest["samplers"]),
        "steps": _holds(spec.steps, manifest["steps"]),
        "scoring": manifest.get("scoring", {}).get("preset", spec.scoring.preset)
        == spec.scoring.preset,
        "judge": not asked_before
        or (judge is not None and asked_before.get("model") == judge.model),
        "guidance": manifest.get("guidance", spec.guidance) == spec.guidance,
    }


def asked(spec: RunSpec) -> list[str]:
    """The models with the samplers that were asked for, as a manifest has them."""
    return [f"{m.name}:{m.sampler}" if m.sampler else m.name for m in spec.models]


def _holds(now: Iterable[Any], before: Iterable[Any]) -> bool:
    """Whether all that was chosen before is chosen now; nothing chosen is a choice of its own."""
    kept, chosen = set(before), set(now)
    return kept == chosen if not kept or not chosen else kept <= chosen


def finished(folders: Iterable[Path], note: Callable[[str], None]) -> list[Path]:
    """The finished runs among some folders; of several the others are told to `note`.

    Raises FileNotFoundError if none is finished.
    """
    every = list(folders)
    done = [folder for folder in every if (folder / RESULTS).is_file()]
    if not done:
        check_finished(every[0], RESULTS)
    for folder in every:
        if folder not in done:
            note(f"{folder} is left out: it is no finished run")
    return done
