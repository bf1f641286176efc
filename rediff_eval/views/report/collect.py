"""Reads the content of a report from the files of finished runs."""

from __future__ import annotations

import base64
import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import ValidationError

from rediff.io.text_files import parse_json, read_text
from rediff_eval.benchmarks.load import load_kind
from rediff_eval.benchmarks.sample import Sample, broken_sample
from rediff_eval.benchmarks.task import Task
from rediff_eval.metrics.base import MetricInfo
from rediff_eval.results.finished import (
    CAPTIONS,
    RESULTS,
    SAMPLES,
    check_finished,
    metric_infos,
    read_captions,
    read_results,
)
from rediff_eval.results.resume import same_loading
from rediff_eval.speed import SPEED
from rediff_eval.views.compare import Comparison, against_best
from rediff_eval.views.report.reliability import Reliability
from rediff_eval.views.samples import load_values

THUMBNAILS = ((300, 192, 80), (1500, 96, 60), (math.inf, 64, 45))
"""Pictures of a gallery up to which they are so many pixels wide or high, at which quality."""
CELL = ("model", "sampler", "steps", "tokens_per_step")
LATENCY, BEST_BATCH = "latency", "best_batch"
"""Keys that `rediff-eval speed` adds to a cell: milliseconds a caption, singly and at best."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample of the gallery. `answers`: a caption record for each condition, by its number.

    `said`: what was asked of this sample alone, and said before. `scores`: the main metric of each
    answer that has one. `picture`: a data URL, empty where the picture could not be opened.
    """

    id: str
    picture: str
    references: Sequence[str]
    said: Sequence[str] = ()
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: `results.json`, and the samples to show. `infos`: how metrics are shown.
    `missing`: why pictures and references are not shown, empty where they are. `tests`: the best
    condition of each budget against the others, where the values of samples are there.
    `reliability`: how many words that are written with some confidence are right, and how many of
    the others are mended, by the number of the condition, where that is known."""

    folder: Path
    manifest: Mapping[str, Any]
    cells: Sequence[Mapping[str, Any]]
    main_metric: str
    shown: Sequence[Shown]
    infos: Mapping[str, MetricInfo]
    missing: str = ""
    tests: Sequence[Comparison] = ()
    reliability: Mapping[int, Reliability] = field(default_factory=dict)


def load_run(
    folder: Path, *, count: int, ids: Sequence[str] = (), speed: Path | None = None
) -> Run:
    """A run, as the report shows it.

    Args:
        folder: of the run.
        count: how many samples are shown, the first ones.
        ids: of samples shown besides.
        speed: folder of `rediff-eval speed`, whose times are added to the conditions.

    Raises:
        FileNotFoundError: if the folder is not a finished run.
        ValueError: for an unknown id, or if the folder `speed` has none of the conditions.
    """
    check_finished(folder, RESULTS, CAPTIONS)
    results = read_results(folder)
    manifest = results["manifest"]
    samples, missing = _samples(folder, manifest, count, ids)
    size = thumbnail_size(len(samples))
    shown = {
        sample.id: Shown(sample.id, thumbnail(sample, *size), sample.references, sample.dialogue)
        for sample in samples
    }
    numbers = {tuple(cell[k] for k in CELL): i for i, cell in enumerate(results["cells"])}
    reliability: defaultdict[int, Reliability] = defaultdict(Reliability)
    for line in read_captions(folder):
        number = numbers[tuple(line[k] for k in CELL)]
        if "writing" in line:
            reliability[number].add(line["writing"])
        if line["id"] in shown:
            shown[line["id"]].answers[number] = line
    metric, infos = results["main_metric"], metric_infos(results)
    tests: list[Comparison] = []
    measured = any(metric in cell["metrics"] for cell in results["cells"])
    if measured and (folder / SAMPLES).is_file():
        values = load_values([folder], metric)
        for row in values[values["id"].isin(list(shown))].to_dict("records"):
            key = tuple(_plain(row[name]) for name in CELL)
            shown[row["id"]].scores[numbers[key]] = row["value"]
        lower = metric in infos and infos[metric].lower_is_better
        tests = against_best(values, lower_is_better=lower)
    return Run(
        folder,
        manifest,
        results["cells"] if speed is None else _with_times(results["cells"], manifest, speed),
        metric,
        list(shown.values()),
        infos,
        missing,
        tests,
        reliability,
    )


def _plain(value: Any) -> Any:
    """A name or a budget as `results.json` has it."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_times(
    cells: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any], speed: Path
) -> list[Mapping[str, Any]]:
    """The cells with their measurements."""
    path = speed / SPEED
    if not path.is_file():
        raise FileNotFoundError(
            f"{speed} is not a folder of `rediff-eval speed`: it has no {SPEED}"
        )
    key = ("model", "sampler", "steps")
    made = parse_json(read_text(path), str(path))
    weights = {name: m.get("weights_sha256") for name, m in manifest["models"].items()}
    if (
        made["guidance"] != manifest.get("guidance", made["guidance"])
        or not same_loading(manifest.get("loading", made["loading"]), made["loading"])
        or any(weights.get(name, digest) != digest for name, digest in made["models"].items())
    ):
        raise ValueError(f"{speed} was measured with other weights, another loading or guidance")
    times = {
        tuple(row[k] for k in key): {
            LATENCY: 1e3 * row["latency"]["value"],
            BEST_BATCH: 1e3 / row["throughput"]["value"],
        }
        for row in made["rows"]
    }
    found: list[Mapping[str, Any]] = [
        {**cell, **times.get(tuple(cell[k] for k in key), {})} for cell in cells
    ]
    if not any(LATENCY in cell for cell in found):
        raise ValueError(f"{speed} has measured none of the run's models, samplers and steps")
    return found


def _samples(
    folder: Path, manifest: Mapping[str, Any], count: int, ids: Sequence[str]
) -> tuple[list[Sample], str]:
    """The samples to show, and why they have neither pictures nor references, if they have none."""
    data, missing = manifest["data"], ""
    try:
        task = Task.model_validate(manifest["task"])
        place = Path(data["path"]) if data["path"] else None
        loaded = load_kind(data["kind"], task, data["samples"], place)
        everything = loaded.samples
        if loaded.digest != data["sha256"]:
            missing = "the pictures or references have changed since the run was made"
    except ValidationError:
        missing = "the run was made by an older version"
    except (OSError, ValueError) as error:
        missing = str(error)
    if missing:
        names = dict.fromkeys(line["id"] for line in read_captions(folder))
        everything = tuple(broken_sample(name, missing) for name in names)
    unknown = set(ids) - {sample.id for sample in everything}
    if unknown:
        raise ValueError(f"no sample {sorted(unknown)[0]!r} in the run")
    return [s for i, s in enumerate(everything) if i < count or s.id in ids], missing


def thumbnail_size(count: int) -> tuple[int, int]:
    """Pixels and quality of each of so many pictures: together they stay below 5 MB or so."""
    return next((side, quality) for most, side, quality in THUMBNAILS if count <= most)


def thumbnail(sample: Sample, side: int, quality: int) -> str:
    """The sample's picture, small, as a data URL."""
    try:
        image = sample.open().convert("RGB")
    except (ValueError, OSError):
        return ""
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=quality)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
