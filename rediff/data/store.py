"""Checked records on disk, of which any can be taken."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from rediff.data.records import Record, TextEdit, Turn

RECORDS = "records.jsonl"
INDEX = "records.npy"


@dataclass(frozen=True, slots=True)
class Stored:
    """A record with the name of its source, `first` of that source (see `align`), the tokens of
    its answers, and its picture's (width, height) in pixels."""

    record: Record
    source: str
    first: bool
    tokens: int
    size: tuple[int, int]


class RecordStore(Sequence[Stored]):
    """The records that `write_store` wrote to a folder.

    Only their places in the file are in memory. Raises FileNotFoundError where there are none.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORDS
        self._index = np.load(folder / INDEX)
        self._file = self.path.open("rb")
        self._bytes = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._index) - 1

    @overload
    def __getitem__(self, number: int) -> Stored: ...
    @overload
    def __getitem__(self, number: slice) -> list[Stored]: ...
    def __getitem__(self, number: int | slice) -> Stored | list[Stored]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        start, end = self._index[number : number + 2].tolist()
        return _read(json.loads(self._bytes[start:end]))

    def __reduce__(self) -> Any:
        """Opened again in another process."""
        return RecordStore, (self.path.parent,)


def write_store(folder: Path, records: Iterable[Stored]) -> int:
    """Writes records to a folder, whole or not at all.

    Args:
        folder: must exist.
        records: with their source and their sizes in tokens.

    Returns:
        How many records there are.

    Raises:
        ValueError: if there are none.
    """
    partial, starts = folder / f"{RECORDS}.partial", [0]
    with partial.open("wb") as file:
        for stored in records:
            file.write(json.dumps(asdict(stored), default=os.fspath).encode() + b"\n")
            starts.append(file.tell())
    if len(starts) == 1:
        raise ValueError("the data hold no usable record")
    np.save(folder / INDEX, np.array(starts))
    partial.replace(folder / RECORDS)
    return len(starts) - 1


def _read(raw: dict[str, Any]) -> Stored:
    record = raw["record"]
    turns = tuple(Turn(**turn) for turn in record["turns"])
    edits = tuple(TextEdit(**edit) for edit in record["edits"])
    whole = Record(record["place"], Path(record["image"]), turns, edits)
    return Stored(whole, raw["source"], raw["first"], raw["tokens"], tuple(raw["size"]))
