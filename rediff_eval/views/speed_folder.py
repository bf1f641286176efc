"""The files of a measurement of speed: `speed.json`, `speed.md` and `speed.png`."""

from __future__ import annotations

import io
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rediff.captioners.sources import weights_digest
from rediff.io.files import replace as write
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.captioning.caption_key import versions
from rediff_eval.captioning.config import CaptioningConfig
from rediff_eval.results.manifest import describe_device
from rediff_eval.results.resume import loading_of
from rediff_eval.sanitize import without_secrets
from rediff_eval.speed import SPEED
from rediff_eval.speed.measure import Measured
from rediff_eval.views.speed import plot_speed, to_markdown, to_record


def write_speed(
    found: Sequence[Measured],
    config: CaptioningConfig,
    samples: SampleSet,
    rounds: int,
    folder: Path,
) -> tuple[str, list[dict[str, Any]]]:
    """Writes the measurements and their origin.

    Args:
        found: the cells.
        config: models, samplers and budgets.
        samples: whose pictures were captioned.
        rounds: that were counted.
        folder: made if it is not there.

    Returns:
        A title, and the rows as plain values.
    """
    device = describe_device(config.models[0].loading.place)
    records = [to_record(measured) for measured in found]
    threads = torch.get_num_threads()
    title = (
        f"{samples.name}, {device}, {threads} threads, {rounds} rounds, 95% intervals of medians"
    )
    made = {
        "title": title,
        "command": without_secrets(shlex.join(sys.argv[1:])),
        "rounds": rounds,
        "guidance": config.guidance,
        "loading": loading_of(config.models),
        "models": {m.name: weights_digest(m.identity) for m in config.models},
        "data": {"name": samples.name, "sha256": samples.digest},
        "versions": {"python": platform.python_version(), **versions()},
        "hardware": {"machine": platform.machine(), "cores": os.cpu_count(), "device": device},
        "threads": threads,
        "rows": records,
    }
    folder.mkdir(parents=True, exist_ok=True)
    picture = io.BytesIO()
    plot_speed(records, title, picture)
    write(folder / "speed.png", picture.getvalue())
    write(folder / "speed.md", to_markdown(records, title))
    write(folder / SPEED, json.dumps(made, indent=2) + "\n")
    return title, records
