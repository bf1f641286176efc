"""Ids and file names as text, the same for every Unicode form, in JSON and in a file system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

SURROGATE = re.compile("[\ud800-\udfff]")


def same_name(text: str) -> str:
    """The form by which names are compared: those that look equal are equal (NFC)."""
    return unicodedata.normalize("NFC", text)


def whole_text(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate, half a character that no file can hold."""
    return SURROGATE.sub("\ufffd", text)


def id_text(value: object, where: str) -> str:
    """An id as text: text stays as it is, whole numbers are written out.

    Args:
        value: as it was read.
        where: file and line, for the message.

    Raises:
        ValueError: naming `where` for anything else; for a number with a fraction, too, because its
            original spelling is not known.
    """
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{where}: an id must be text or a whole number, got {value!r}")


def find_file(path: Path) -> Path:
    """The file at `path`, or one beside it whose name looks the same (see `same_name`).

    Returns `path` where there is neither.
    """
    try:
        if path.exists() or not path.parent.is_dir():
            return path
        wanted = same_name(path.name)
        return next((p for p in path.parent.iterdir() if same_name(p.name) == wanted), path)
    except (OSError, ValueError):  # no name of a file at all: too long, or with a NUL
        return path


def is_file(path: Path) -> bool:
    """Whether a file of this name exists; False for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def first_twice(names: Iterable[str]) -> str | None:
    """The first name that looks like an earlier one, None where all differ."""
    seen: set[str] = set()
    for name in names:
        if same_name(name) in seen:
            return name
        seen.add(same_name(name))
    return None
