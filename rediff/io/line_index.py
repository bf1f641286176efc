"""Where the lines of JSON files are, by a key in each line.

Two million lines take some 400 MB of memory, whatever they say: the index holds a digest of each
key, and one number that says where the line is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rediff.io.files import whole_lines

Record = dict[str, Any]
Key = tuple[Any, ...]
FAILED, TRACED = 1, 2
"""Marks of a line, in the two lowest bits of its place; then 16 bits for the number of its file,
then its offset."""
FLAG_BITS, FILE_BITS = 2, 16


@dataclass(frozen=True, slots=True)
class Mark:
    """Facts about a line that is not read: whether it holds an `error`, and a `trace`."""

    failed: bool
    traced: bool


class LineIndex:
    """The lines of the parts `rank-*.jsonl` of a folder, which may grow meanwhile.

    `names`: the entries of a line that make its key. Of several lines with one key the first counts
    that holds no error, or the last that holds a trace. Raises ValueError naming file and line if
    a part is damaged.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, tuple(names)
        self.places: dict[int, int] = {}
        self.files: list[Path] = []
        self.ends: list[int] = []
        self.counts: list[int] = []
        self.open_files: dict[int, int] = {}

    def close(self) -> None:
        """Closes the files that were read."""
        for descriptor in self.open_files.values():
            os.close(descriptor)
        self.open_files.clear()

    def update(self) -> None:
        """Takes in the whole lines that were written since the last time."""
        for path in sorted(self.folder.glob("rank-*.jsonl")):
            number = self._number(path)
            for start, line in self._new_lines(number):
                self._take(number, start, line)

    def put(self, path: Path, start: int, end: int, line: Record) -> None:
        """Takes in a line that was just written at the end of a file of this process.

        Args:
            path: the file.
            start: where the line begins.
            end: where the next one will.
            line: its content.
        """
        number = self._number(path)
        if self.ends[number] == start:
            self.ends[number], self.counts[number] = end, self.counts[number] + 1
        self._take(number, start, line)

    def mark(self, key: Key) -> Mark | None:
        """The facts about the line with a key, None if there is none."""
        place = self.places.get(digest_of(key))
        return None if place is None else Mark(bool(place & FAILED), bool(place & TRACED))

    def read(self, key: Key) -> Record | None:
        """The line with a key, None if there is none."""
        place = self.places.get(digest_of(key))
        if place is None:
            return None
        number = (place >> FLAG_BITS) & ((1 << FILE_BITS) - 1)
        if number not in self.open_files:
            self.open_files[number] = os.open(self.files[number], os.O_RDONLY)
        found: Record = json.loads(
            _line_at(self.open_files[number], place >> FLAG_BITS + FILE_BITS)
        )
        return found

    def _number(self, path: Path) -> int:
        if path not in self.files:
            self.files.append(path)
            self.ends.append(0)
            self.counts.append(0)
        return self.files.index(path)

    def _new_lines(self, number: int) -> Iterator[tuple[int, Record]]:
        """The whole lines of a file that were not seen, each with its offset."""
        path = self.files[number]
        for line in whole_lines(path, self.ends[number]):
            start = self.ends[number]
            self.ends[number] += len(line)
            self.counts[number] += 1
            yield start, self._parsed(line, path, self.counts[number])

    def _parsed(self, line: bytes, path: Path, number: int) -> Record:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or not record.keys() >= set(self.names):
            raise ValueError(f"{path}:{number}: damaged; take the line out and start again")
        return record

    def _take(self, number: int, start: int, line: Record) -> None:
        key = digest_of(tuple(line[name] for name in self.names))
        old = self.places.get(key)
        if old is None or old & FAILED or "trace" in line:
            marks = FAILED * ("error" in line) | TRACED * ("trace" in line)
            self.places[key] = (start << FILE_BITS | number) << FLAG_BITS | marks


def digest_of(key: Key) -> int:
    """128 bits that tell a key from others."""
    text = json.dumps(key).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")


def _line_at(descriptor: int, start: int) -> bytes:
    """The line of an open file that begins at an offset."""
    size, line = 4096, b""
    while not line.endswith(b"\n"):
        block = os.pread(descriptor, size, start + len(line))
        assert block, "a line that was whole is whole"
        head, newline, _ = block.partition(b"\n")
        line += head + newline
        size *= 2
    return line
