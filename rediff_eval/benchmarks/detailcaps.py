"""DetailCaps-4870: pictures with references by three models, the data of CAPTURE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rediff_eval.benchmarks.pictures import of_bytes
from rediff_eval.benchmarks.reading import read_table
from rediff_eval.benchmarks.sample import Sample, broken_sample

HUB_ID = "foundation-multimodal-models/DetailCaps-4870"
REFERENCES = ("GT_Caption_GPT4O", "GT_Caption_GPT4V", "GT_Caption_Gemini15Pro")
COLUMNS = ("image", "binary", *REFERENCES)
REFINED = "refined"
"""Part of the names of files of later revisions, which are other data."""


def load_detailcaps(folder: Path) -> list[Sample]:
    """The samples of the data set's parquet files, in their order.

    A row that cannot be used is a broken sample. Raises FileNotFoundError saying what to download
    where there are none, ValueError naming a file that is something else.
    """
    found = (p for p in folder.rglob("*.parquet") if not p.name.startswith("."))
    paths = sorted(p for p in found if REFINED not in p.name)
    if not paths:
        raise FileNotFoundError(
            f"no parquet file of DetailCaps-4870 in {folder}; download the split `test` of the hub"
            f" data set {HUB_ID} and put it there"
        )
    return [sample for path in paths for sample in _read(path)]


def _read(path: Path) -> list[Sample]:
    names, rows = read_table(path, list(COLUMNS))
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(f"{path}: no column {missing[0]!r}; this is not DetailCaps-4870")
    return [_sample(row, f"{path}: row {number}") for number, row in enumerate(rows)]


def _sample(row: Mapping[str, Any], place: str) -> Sample:
    texts = tuple(row[name] for name in REFERENCES)
    if not isinstance(row["binary"], bytes) or not all(isinstance(t, str) for t in texts):
        return broken_sample(place, "no picture, or a reference that is not a string")
    return of_bytes(str(row["image"]), row["binary"], place, texts)
