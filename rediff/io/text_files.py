"""Records in text files that people make: a JSON value, JSON lines, CSV or TSV.

The content of a file decides how it is read, not its name; a byte order mark decides its encoding.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rediff.io.names import whole_text

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
"""Byte order marks and their encodings; that of UTF-32 begins as that of UTF-16."""
DELIMITERS = ",\t;"


@dataclass(frozen=True, slots=True)
class Row:
    """One value of a file. `place`: file and line or entry, for messages. `broken`: why there is
    no value."""

    place: str
    value: Any
    broken: str | None = None


def read_text(path: Path) -> str:
    """A text file's text. Raises FileNotFoundError, or ValueError naming the file and the line that
    is not UTF-8."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    content = path.read_bytes()
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}:{line}: not valid {encoding.upper()}; save it as UTF-8"
        ) from error
    if "\0" in text:
        raise ValueError(
            f"{path}: holds NUL characters, so it is not text in UTF-8; save it as UTF-8"
        )
    return text


def parse_json(text: str, where: str) -> Any:
    """A JSON value; halves of characters become U+FFFD, numbers that are not finite None.

    Args:
        text: of the value.
        where: file and line, for the message.

    Raises:
        ValueError: naming `where` if it is not JSON or holds a key twice in one object.
    """
    try:
        return _whole(
            json.loads(text, object_pairs_hook=_distinct, parse_constant=lambda constant: None)
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not valid JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{where}: not valid JSON: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def read_rows(path: Path) -> list[Row]:
    """The values of a file: entries of a JSON array, JSON lines, lines of a table with a header.

    Any other JSON value is the only row. A line that is not JSON, or whose cells do not match the
    header, is a broken row among the others. Raises as `read_text`, and ValueError if the file is
    none of these.
    """
    text = read_text(path)
    first = text.lstrip()[:1]
    if not first:
        return []
    if first in "[{":
        return _json_rows(path, text)
    header = text.lstrip("\r\n").splitlines()[0]
    delimiter = max(DELIMITERS, key=header.count)
    if delimiter in header:
        return list(_table_rows(path, text.lstrip("\r\n"), delimiter))
    raise ValueError(f"{path}:1: not valid JSON, JSON lines or CSV")


def _json_rows(path: Path, text: str) -> list[Row]:
    first, lines = text.lstrip()[0], [line for line in text.split("\n") if line.strip()]
    if first == "{" and len(lines) > 1 and any(map(_is_object, lines[:2])):
        return list(_line_rows(path, text))
    whole = parse_json(text, str(path) if len(lines) > 1 else f"{path}:1")
    if isinstance(whole, list):
        return [Row(f"{path}: entry {n}", entry) for n, entry in enumerate(whole, 1)]
    return [Row(f"{path}:1", whole)]


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (json.JSONDecodeError, RecursionError):
        return False


def _line_rows(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{path}:{number}"
            try:
                yield Row(place, parse_json(line, place))
            except ValueError as error:
                yield Row(place, None, str(error).removeprefix(f"{place}: "))


def _table_rows(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in next(reader)]
    if len(set(header)) < len(header):
        raise ValueError(f"{path}:1: a column has the name of another")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error
        place = f"{path}:{reader.line_num}"
        if len(cells) == len(header):
            yield Row(place, dict(zip(header, map(whole_text, cells), strict=True)))
        elif any(map(str.strip, cells)):
            yield Row(place, None, f"{len(cells)} cells below a header of {len(header)}")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")
    return data


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [_whole(part) for part in value]
    if isinstance(value, dict):
        return {whole_text(key): _whole(part) for key, part in value.items()}
    return value
