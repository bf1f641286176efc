"""Large JSON files read one record at a time, each with the line it begins in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def iterate_json(path: Path) -> Iterator[tuple[int, Any]]:
    """The elements of a JSON array, or of JSON lines, with their line numbers from 1.

    JSON lines are known by their suffix or by a first line that is an object. A line that is
    not JSON is given as a ValueError, and reading continues. Raises FileNotFoundError, or
    ValueError naming file and line where an array is cut short.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no data file {path}")
    lines = path.suffix.lower() == ".jsonl" or _begins(path) == "{"
    return _named(path, _lines(path) if lines else _array(path))


def _begins(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1].decode("latin-1")


def _named(path: Path, elements: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    try:
        yield from elements
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not valid UTF-8; save it as UTF-8") from error


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except json.JSONDecodeError as error:
                    yield number, error


def _array(path: Path) -> Iterator[tuple[int, Any]]:
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8-sig") as file:
        rest, line, opened = file.read(CHUNK), 1, False
        while True:
            bare = rest.lstrip(" \t\r\n," if opened else " \t\r\n")
            line += rest.count("\n", 0, len(rest) - len(bare))
            rest = bare
            if opened and rest.startswith("]"):
                return
            if not opened and rest:
                if not rest.startswith("["):
                    raise ValueError(f"{path}:{line}: expected a JSON array")
                rest, opened = rest[1:], True
                continue
            try:
                value, end = decoder.raw_decode(rest)
            except json.JSONDecodeError as error:
                more = file.read(CHUNK)
                if not more:
                    where = line + rest.count("\n", 0, error.pos)
                    raise ValueError(f"{path}:{where}: not valid JSON: {error.msg}") from error
                rest += more
                continue
            yield line, value
            line += rest.count("\n", 0, end)
            rest = rest[end:]
