"""Finished runs: the files that a folder must hold to be one, and their content."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from rediff_eval.metrics.base import MetricInfo

RESULTS = "results.json"
"""Written last: a folder that has it is a finished run."""
CAPTIONS, SAMPLES, NUMBERS = "captions.jsonl", "samples.csv", "results.csv"
LEADERBOARD, JUDGEMENTS = "leaderboard.md", "judgements.jsonl"
QUALITY, FRONT = "quality.png", "front.png"
RUN_FILES = (RESULTS, CAPTIONS, SAMPLES, NUMBERS, LEADERBOARD, JUDGEMENTS, QUALITY, FRONT)
"""All that a run writes beside its parts."""


def check_finished(folder: Path, *names: str) -> None:
    """Checks that a run folder has the files that are read.

    Args:
        folder: of the run.
        *names: of the files.

    Raises:
        FileNotFoundError: naming the files that it should have and has not.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not the folder of a run: there is no such folder")
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return
    if RESULTS not in names or RESULTS in missing:
        raise FileNotFoundError(
            f"{folder} is not a finished run: it has no {' and '.join(missing)}"
        )
    raise FileNotFoundError(
        f"{folder} is a finished run without {' and '.join(missing)}: these were not kept with it,"
        f" so make it again by the command that its {RESULTS} names, with another `out`"
    )


def finished(folders: Iterable[Path], note: Callable[[str], None]) -> list[Path]:
    """The finished runs among some folders, each once.

    Args:
        folders: of runs.
        note: called with each of the others.

    Raises:
        FileNotFoundError: if none is finished.
    """
    every = list({folder.resolve(): folder for folder in folders}.values())
    done = [folder for folder in every if (folder / RESULTS).is_file()]
    if not done:
        check_finished(every[0], RESULTS)
    for folder in every:
        if folder not in done:
            note(f"{folder} is left out: it is not a finished run")
    return done


def read_results(folder: Path) -> dict[str, Any]:
    """The content of a finished run's `results.json`. Raises as `check_finished`."""
    check_finished(folder, RESULTS)
    found: dict[str, Any] = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    return found


def read_captions(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a finished run's captions. Raises as `check_finished`."""
    check_finished(folder, RESULTS, CAPTIONS)
    with (folder / CAPTIONS).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def metric_infos(results: Mapping[str, Any]) -> dict[str, MetricInfo]:
    """How the metrics of a `results.json` are shown, by name.

    Runs of older versions do not say it; then the present registration holds.
    """
    if "metrics" in results:
        names = {field.name for field in fields(MetricInfo)}
        stored = ({k: v for k, v in info.items() if k in names} for info in results["metrics"])
        return {info["name"]: MetricInfo(**info) for info in stored}
    from rediff_eval.metrics.base import METRICS

    every = (info for group in METRICS.values() for info in group.infos)
    return {info.name: info for info in every}


def infos_of_runs(runs: Sequence[Path]) -> dict[str, MetricInfo]:
    """How the metrics of finished runs are shown. Raises as `read_results`."""
    return {name: info for run in runs for name, info in metric_infos(read_results(run)).items()}
