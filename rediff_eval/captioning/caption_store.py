"""Where a run keeps its captions: a line for each sample of a condition, on disk at once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rediff.io.part_store import PartStore
from rediff.io.rank import Rank

PARTS = "parts"
"""Folder of the lines in a run folder."""
NAMES = ("cell_key", "id", "digest")


class StoredCaption(NamedTuple):
    """Names a stored caption: the key of its condition, and the sample's id and digest."""

    condition: str
    id: str
    digest: str


def open_store(folder: Path, rank: Rank) -> PartStore:
    """The captions of a run folder, opened for one rank.

    Args:
        folder: of the run.
        rank: which of the processes this is.

    Raises:
        ValueError: as `PartStore` does.
    """
    return PartStore(folder / PARTS, rank, NAMES, busy=folder)
