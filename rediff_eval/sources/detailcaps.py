"""DetailCaps-4870: pictures with references by three models, the data of CAPTURE."""

from __future__ import annotations

from pathlib import Path

from rediff_eval.samples import Sample, digest_of
from rediff_eval.sources.own import opening
from rediff_eval.sources.reading import open_table

HUB_ID = "foundation-multimodal-models/DetailCaps-4870"
REFERENCES = ("GT_Caption_GPT4O", "GT_Caption_GPT4V", "GT_Caption_Gemini15Pro")
COLUMNS = ("image", "binary", *REFERENCES)
REFINED = "refined"
"""Stands in the names of files of later revisions, which are other data."""


def load_detailcaps(folder: Path) -> list[Sample]:
    """The samples of the data set's parquet files, in their order.

    Raises FileNotFoundError saying what to download where there are none, ValueError naming the
    file and row of what is broken.
    """
    paths = sorted(p for p in folder.rglob("*.parquet") if REFINED not in p.name)
    if not paths:
        raise FileNotFoundError(
            f"no parquet file of DetailCaps-4870 in {folder}; download the split `test` of the hub"
            f" data set {HUB_ID} and put it there"
        )
    return [sample for path in paths for sample in _read(path)]


def _read(path: Path) -> list[Sample]:
    table = open_table(path)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise ValueError(f"{path}: no column {missing[0]!r}; this is not DetailCaps-4870")
    samples = []
    for number, row in enumerate(table.select_columns(list(COLUMNS))):
        place = f"{path}: row {number}"
        texts = tuple(row[name] for name in REFERENCES)
        if not isinstance(row["binary"], bytes) or not all(isinstance(t, str) for t in texts):
            raise ValueError(f"{place}: no picture or a reference that is no text")
        samples.append(
            Sample(
                str(row["image"]), opening(row["binary"], place), digest_of(row["binary"]), texts
            )
        )
    return samples
