"""Captions that somebody else made, by sample id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rediff.io.names import id_text, same_name
from rediff.io.text_files import Row, read_rows

IDS = ("image_id", "id", "question_id", "image", "file_name")
TEXTS = ("caption", "text", "answer", "prediction", "response", "output")
"""Keys of a record that may hold its id and its caption, in the order of preference. COCO's
results call the id `image_id`, where `id` is that of an annotation."""


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """Captions by id. `broken`: why an entry holds none, by its id or, without one, its place."""

    captions: Mapping[str, str]
    broken: Mapping[str, str]


def read_caption_file(path: Path) -> CaptionFile:
    """The captions of a file: an object of captions by id, or records with an id and a caption.

    Records are in a JSON array (as COCO's results), JSON lines, or a CSV; see `IDS` and `TEXTS`
    for their keys. A caption may also be a list of one. A record without a caption is listed as
    broken. Raises as `read_rows`, and ValueError for a file without any record or with an id that
    is given twice.
    """
    rows = read_rows(path)
    if len(rows) == 1 and isinstance(rows[0].value, dict) and not _is_record(rows[0].value):
        entries: Iterable[tuple[str, str, Any]] = (
            (str(path), name, text) for name, text in rows[0].value.items()
        )
        return _collect(path, entries, {})
    broken: dict[str, str] = {}
    return _collect(path, _of_records(rows, broken), broken)


def _is_record(value: Mapping[str, Any]) -> bool:
    return any(key in value for key in IDS) and any(key in value for key in TEXTS)


def _of_records(rows: Iterable[Row], broken: dict[str, str]) -> Iterator[tuple[str, str, Any]]:
    for row in rows:
        if row.broken is not None:
            broken[row.place] = row.broken
            continue
        record = row.value
        key = next((k for k in IDS if isinstance(record, dict) and k in record), None)
        if key is None:
            found = f", found {', '.join(map(repr, record))}" if isinstance(record, dict) else ""
            broken[row.place] = f"expected an object with 'id' and 'caption'{found}"
            continue
        try:
            name = id_text(record[key], repr(key))
        except ValueError as error:
            broken[row.place] = str(error)
            continue
        yield row.place, name, next((record[k] for k in TEXTS if k in record), None)


def _collect(
    path: Path, entries: Iterable[tuple[str, str, Any]], broken: dict[str, str]
) -> CaptionFile:
    captions: dict[str, str] = {}
    seen: set[str] = set()
    for place, name, text in entries:
        if same_name(name) in seen:
            raise ValueError(f"{place}: duplicate id {name!r}")
        seen.add(same_name(name))
        only = text[0] if isinstance(text, list) and len(text) == 1 else text
        only = only.get("caption") if isinstance(only, dict) else only
        if isinstance(only, str):
            captions[name] = only
        else:
            broken[name] = f"the caption of {name!r} must be a string, got {text!r:.60}"
    if not captions:
        place, reason = next(iter(broken.items()), (str(path), "it is empty"))
        raise ValueError(f"{path} holds no captions; the first entry, {place}: {reason}")
    return CaptionFile(captions, broken)
