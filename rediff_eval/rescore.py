"""Scores captions that are there already."""

from __future__ import annotations

import time
from pathlib import Path

from rediff_eval.external import Joined, join, read_caption_sets
from rediff_eval.finish import finish
from rediff_eval.progress import Progress
from rediff_eval.ranks import Rank
from rediff_eval.results import Results
from rediff_eval.sources.load import load_samples
from rediff_eval.spec import RunSpec


def score_file(spec: RunSpec, file: Path) -> tuple[Results, list[Joined]]:
    """Scores every set of captions in `file` and writes a run folder.

    Raises what `read_caption_sets`, `join` and `load_samples` raise, before anything is written.
    """
    started = time.perf_counter()
    samples = load_samples(spec.task, spec.limit, spec.data, spec.data_dir)
    joined = [
        join(captions, samples.samples, allowed=spec.max_failures)
        for captions in read_caption_sets(file)
    ]
    spec.out.mkdir(parents=True, exist_ok=True)
    results = finish(
        spec, samples, [one.outcome for one in joined], Progress(), keys={}, rank=Rank(),
        started=started,
    )  # fmt: skip
    return results, joined
