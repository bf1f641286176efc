"""Finished pieces of long work, on disk before they count as done.

Captioning and drafting share this loop. A folder holds one part file for each rank (process), one
JSON line for each finished piece. A line is on disk (fsync) before the next begins, so that a
crash costs at most the batch that was under way; an unfinished last line is cut off at the next
start. A line is found by its key and not by its position: any number of processes may resume the
work, and a line with another key is simply not found.

A process keeps in memory where the lines are and not their text (`LineIndex`), and reads each
part only from where it stopped the last time: neither memory nor waiting grows with the texts.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, TypeVar

from rediff.io.files import lock, repair, sync_folder
from rediff.io.line_index import Key, LineIndex, Mark, Record, digest_of
from rediff.io.rank import Rank

LOCK_TRIES, LOCK_PAUSE = 10, 0.05
Piece = TypeVar("Piece")


class BusyError(ValueError):
    """Another process works in the folder as the same rank."""


class PartStore:
    """The finished pieces in a folder, opened for one rank, which alone may append to its part.

    `names`: the entries of a line that make its key. `busy`: the folder that a message names,
    where another process holds this one. Raises BusyError if it is taken, ValueError naming file
    and line if a part is damaged elsewhere than at its end.
    """

    def __init__(
        self, folder: Path, rank: Rank, names: Sequence[str], *, busy: Path | None = None
    ) -> None:
        self.folder, self.rank, self.names = folder, rank, tuple(names)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / f"rank-{rank.index}.jsonl"
        self.lock = _lock(self.folder / f"rank-{rank.index}.lock", busy or folder)
        repair(self.path)
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        sync_folder(self.folder)
        self.index = LineIndex(self.folder, self.names)
        self.index.update()
        self.made_here: set[int] = set()

    def __enter__(self) -> PartStore:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self.file)
        self.index.close()
        self.lock.close()

    def get(self, key: Key) -> Record | None:
        """The line with this key, None if there is none."""
        return self.index.read(key)

    def look(self, key: Key) -> Mark | None:
        """The facts about the line with this key, which is not read; None if there is none."""
        return self.index.mark(key)

    def append(self, key: Key, record: Record) -> None:
        """Puts a line on disk. Raises OSError if it cannot, and then nothing counts as done."""
        line = {**dict(zip(self.names, key, strict=True)), **record}
        data = (json.dumps(line) + "\n").encode()
        start = os.lseek(self.file, 0, os.SEEK_END)
        try:
            while data:
                data = data[os.write(self.file, data) :]
            os.fsync(self.file)
        except OSError:
            os.ftruncate(self.file, start)
            raise
        self.index.put(self.path, start, os.lseek(self.file, 0, os.SEEK_END), line)
        self.made_here.add(digest_of(key))

    def refresh(self) -> None:
        """Finds the lines that other ranks have finished since."""
        self.index.update()

    def wait_for(self, keys: Iterable[Key], *, timeout: float, pause: float = 0.5) -> None:
        """Returns once every key has a line. One key is asked for at a time, so that a look costs
        no more with millions of keys.

        An error that another rank may be trying again does not count as long as one is at work.

        Args:
            keys: of the lines to wait for.
            timeout: seconds without any other rank at work, after which waiting ends.
            pause: seconds between two looks.

        Raises:
            RuntimeError: if some keys then have no line.
        """
        idle_since, left = time.monotonic(), iter(keys)
        for key in left:
            while not self._is_final(key):
                if self._others_work():
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > timeout:
                    missing = sum(self.look(k) is None for k in itertools.chain([key], left))
                    if not missing:
                        return
                    raise RuntimeError(
                        f"{missing} samples are not done and no other process works on them;"
                        " start the same command again"
                    )
                time.sleep(pause)
                self.refresh()

    def _is_final(self, key: Key) -> bool:
        mark = self.look(key)
        return mark is not None and (not mark.failed or digest_of(key) in self.made_here)

    def _others_work(self) -> bool:
        mine = f"rank-{self.rank.index}.lock"
        return any(_is_locked(p) for p in self.folder.glob("rank-*.lock") if p.name != mine)


def work_through(
    pieces: Sequence[Piece],
    batch_size: int,
    work: Callable[[Sequence[Piece]], None],
    advance: Callable[[int], None],
    *,
    same: Callable[[Piece], object] = lambda piece: None,
) -> None:
    """Works through pieces in their order, in batches, and tells `advance` of each batch.

    Args:
        pieces: the work that is left.
        batch_size: pieces of a batch at most.
        work: does a batch and stores its results.
        advance: called with the number of pieces done.
        same: pieces are only batched together if this is equal for them.
    """
    start = 0
    while start < len(pieces):
        end = start + 1
        while end < min(len(pieces), start + batch_size) and same(pieces[end]) == same(
            pieces[start]
        ):
            end += 1
        work(pieces[start:end])
        advance(end - start)
        start = end


def _lock(path: Path, folder: Path) -> IO[str]:
    """Holds the lock until closed or dead. Raises BusyError if another process holds it."""
    for _ in range(LOCK_TRIES):
        if held := lock(path):
            return held
        time.sleep(LOCK_PAUSE)  # a leader that only looks holds it for a moment
    raise BusyError(f"another run works in {folder}; wait for it or choose another `out`")


def is_taken(folder: Path) -> bool:
    """Whether a process works in a folder of parts."""
    return any(_is_locked(path) for path in folder.glob("rank-*.lock"))


def _is_locked(path: Path) -> bool:
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
