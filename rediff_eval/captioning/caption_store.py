"""What a run has already done, on disk before it is counted as done.

A run folder has a `parts/` folder with a file for each rank, one JSON line for each finished
sample of a cell. A line is on disk (fsync) before the next begins, so that a crash costs at most
the batch that was being captioned; what is left of a line is cut off at the next start. Lines are
found by what made them (a cell's key and a sample's digest), not by where they stand: any number
of processes may go on with a run, and a line made by other settings is simply not found.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rediff.io.files import lock, repair, sync_folder, whole_lines
from rediff.io.rank import Rank

PARTS = "parts"
LOCK_TRIES, LOCK_PAUSE = 10, 0.05
IDENTITY = {"cell_key", "id", "digest"}
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """What a line answers: the cell's key, the sample's id, and the digest of its picture."""

    cell: str
    id: str
    digest: str


class BusyError(ValueError):
    """Another process works in the run folder as the same rank."""


class Store:
    """The lines of a run folder; opened for one rank, which alone may append to its part.

    Raises BusyError if the folder is taken, ValueError naming file and line if a part is damaged
    elsewhere than at its end.
    """

    def __init__(self, folder: Path, rank: Rank) -> None:
        self.folder = folder / PARTS
        self.rank = rank
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / f"rank-{rank.index}.jsonl"
        self.lock = _lock(self.folder / f"rank-{rank.index}.lock", folder)
        repair(self.path)
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        sync_folder(self.folder)
        self.found = self._read_all()
        self.own: set[Key] = set()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self.file)
        self.lock.close()

    def get(self, key: Key) -> Record | None:
        """The line that answers `key`, if there is one."""
        return self.found.get(key)

    def append(self, key: Key, record: Record) -> None:
        """Puts a line on disk. Raises OSError if it cannot, and then nothing counts as done."""
        line = {"cell_key": key.cell, "id": key.id, "digest": key.digest, **record}
        data = (json.dumps(line) + "\n").encode()
        start = os.lseek(self.file, 0, os.SEEK_END)
        try:
            while data:
                data = data[os.write(self.file, data) :]
            os.fsync(self.file)
        except OSError:
            os.ftruncate(self.file, start)
            raise
        self.found[key] = line
        self.own.add(key)

    def refresh(self) -> None:
        """Reads what other ranks have done since."""
        self.found = self._read_all()

    def wait_for(self, keys: Iterable[Key], *, grace: float, pause: float = 0.5) -> None:
        """Returns once every key is answered.

        An error that another rank may just be trying again is no answer as long as one is at
        work. Raises RuntimeError if some keys have no line and no other rank has been at work for
        `grace` seconds.
        """
        wanted, idle_since = set(keys), time.monotonic()
        while not all(self._is_settled(key) for key in wanted):
            if self._others_work():
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > grace:
                missing = wanted - self.found.keys()
                if not missing:
                    return
                raise RuntimeError(
                    f"{len(missing)} samples are not done and no other process works on them;"
                    " start the same command again"
                )
            time.sleep(pause)
            self.refresh()

    def _is_settled(self, key: Key) -> bool:
        line = self.found.get(key)
        return line is not None and ("error" not in line or key in self.own)

    def _others_work(self) -> bool:
        own = f"rank-{self.rank.index}.lock"
        return any(_is_locked(p) for p in self.folder.glob("rank-*.lock") if p.name != own)

    def _read_all(self) -> dict[Key, Record]:
        found: dict[Key, Record] = {}
        for path in sorted(self.folder.glob("rank-*.jsonl")):
            for line in read_lines(path):
                key = Key(line["cell_key"], line["id"], line["digest"])
                if key not in found or "error" in found[key] or "trace" in line:
                    found[key] = line
        return found


def read_lines(path: Path) -> Iterator[Record]:
    """The whole lines of a part. Raises ValueError naming file and line of a damaged one."""
    for number, line in enumerate(whole_lines(path), 1):
        record = _parse(line)
        if record is None:
            raise ValueError(f"{path}:{number}: damaged; take the line out and start again")
        yield record


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and record.keys() >= IDENTITY else None


def _lock(path: Path, folder: Path) -> IO[str]:
    """Holds the lock until closed or dead. Raises BusyError if another process holds it."""
    for _ in range(LOCK_TRIES):
        if held := lock(path):
            return held
        time.sleep(LOCK_PAUSE)  # a leader that only looks holds it for a moment
    raise BusyError(f"another run works in {folder}; wait for it or choose another --out")


def is_taken(folder: Path) -> bool:
    """Whether some process works in a run's folder of parts."""
    return any(_is_locked(path) for path in folder.glob("rank-*.lock"))


def _is_locked(path: Path) -> bool:
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
