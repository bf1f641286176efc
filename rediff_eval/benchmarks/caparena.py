"""CapArena-Auto: 600 pictures, each with a human caption and one of a reference model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from rediff.io.text_files import parse_json, read_text
from rediff_eval.benchmarks.pictures import of_file
from rediff_eval.benchmarks.reading import find_pictures
from rediff_eval.benchmarks.sample import Rival, Sample, broken_sample

LISTING = "caparena_auto_600.json"
PICTURES = ("images", "all_images")
HUMAN = "human"
HOW = (
    f"put {LISTING} of https://github.com/njucckevin/CapArena (its readme links it) there, and the"
    f" pictures into its folder {PICTURES[0]}"
)


def load_caparena(folder: Path) -> list[Sample]:
    """The samples of CapArena-Auto, broken ones among them, as `load_capmas`. Raises as it does."""
    path = folder / LISTING
    if not path.is_file():
        raise FileNotFoundError(f"no {path}; {HOW}")
    table = parse_json(read_text(path), str(path))
    if not isinstance(table, dict):
        raise ValueError(f"{path}: expected an object of pictures")
    pictures = find_pictures(folder, PICTURES, HOW)
    samples = []
    for name, row in table.items():
        try:
            samples.append(_sample(name, pictures / name, row))
        except (ValueError, FileNotFoundError) as error:
            samples.append(broken_sample(name, f"{name}: {error}"))
    return samples


def _sample(name: str, picture: Path, row: Any) -> Sample:
    captions = row.get("captions") if isinstance(row, dict) else None
    if not isinstance(captions, dict) or not isinstance(captions.get(HUMAN), str):
        raise ValueError(f"expected 'captions' with one by {HUMAN!r}")
    model = row.get("ref_model")
    if model == HUMAN or not isinstance(captions.get(model), str):
        raise ValueError(f"no caption by the reference model {model!r}")
    if not picture.is_file():
        raise FileNotFoundError(f"no {picture}; {HOW}")
    sample = of_file(name, picture, (captions[HUMAN],))
    return dataclasses.replace(sample, rival=Rival(model, captions[model]))
