"""Scores captions that are there already."""

from __future__ import annotations

import json
import time
from pathlib import Path

from rediff_eval.captioning.imported import Joined, join, read_caption_sets
from rediff_eval.evaluate import check, finish
from rediff_eval.progress import Progress
from rediff.io.rank import Rank
from rediff_eval.results.numbers import Results
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.benchmarks.load import samples_of
from rediff_eval.spec import RunSpec


def check_results(spec: RunSpec, samples: SampleSet) -> None:
    """Raises ValueError if the folder holds the results of something else."""
    path = spec.out / "results.json"
    if not path.is_file():
        return
    manifest = json.loads(path.read_text(encoding="utf-8"))["manifest"]
    own = (spec.task.name, samples.digest, spec.models[0].where)
    there = (
        manifest["task"]["name"], manifest["data"]["sha256"],
        next((m["from"].partition(":")[2] for m in manifest["models"].values()), None),
    )  # fmt: skip
    if own != there:
        raise ValueError(f"{spec.out} holds other results; choose another --out")


def score_file(spec: RunSpec, file: Path, name: str | None = None) -> tuple[Results, list[Joined]]:
    """Scores every set of captions in `file` and writes a run folder.

    `name`: what results call the model whose captions they are; default: the file's name.

    Raises what `read_caption_sets`, `join` and `load_samples` raise, before anything is written.
    """
    started = time.perf_counter()
    if file.resolve() == spec.out.resolve():
        raise ValueError(f"{file} is the run itself; choose another --out")
    progress = Progress()
    samples = samples_of(spec)
    joined = [
        join(captions, samples.samples, allowed=spec.max_failures)
        for captions in read_caption_sets(file, name)
    ]
    check(spec, samples, progress)
    check_results(spec, samples)
    spec.out.mkdir(parents=True, exist_ok=True)
    results = finish(
        spec, samples, [one.outcome for one in joined], progress, keys={}, rank=Rank(),
        started=started,
    )  # fmt: skip
    return results, joined
