"""Files that are complete or absent."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

BLOCK = 1 << 16


def replace(path: Path, content: str | bytes | Iterable[str]) -> None:
    """Replaces a file; a crash leaves the old one or the new one. On disk when it returns.

    Args:
        path: the file, in a folder that exists.
        content: all of it, or one part after another; text is written as UTF-8.

    Raises:
        OSError: where it cannot be written, a full disk among the reasons; the old file stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    parts = [content] if isinstance(content, (str, bytes)) else content
    try:
        with partial.open("wb") as file:
            for part in parts:
                file.write(part.encode() if isinstance(part, str) else part)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def lock(path: Path) -> IO[str] | None:
    """Holds a file's lock until the returned file is closed or this process is dead; None if
    another holds it."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def repair(path: Path) -> None:
    """Removes a last line that is incomplete."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        whole = _end_of_last_line(file, end)
        if whole < end:
            file.truncate(whole)
            file.flush()
            os.fsync(file.fileno())


def _end_of_last_line(file: IO[bytes], end: int) -> int:
    """Where the last line break before `end` stops, 0 if there is none; looked for backwards."""
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def whole_lines(path: Path, start: int = 0) -> Iterator[bytes]:
    """The complete lines of a file that is appended to: the text after the last line break, being
    written or cut short, is left out.

    Args:
        path: the file.
        start: offset of the first line that is wanted.
    """
    with path.open("rb") as file:
        file.seek(start)
        yield from itertools.takewhile(lambda line: line.endswith(b"\n"), file)


def sync_folder(folder: Path) -> None:
    """Puts a folder's entries on disk, without which a new file may be lost with its name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def files_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, one after another, read piece by piece."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 24):
                digest.update(block)
    return digest.hexdigest()
