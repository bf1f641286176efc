"""The user's own pictures: a folder, a listing, COCO's annotations, tables, or a hub data set."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rediff.data.images import SUFFIXES, is_picture
from rediff.data.names import find_file, id_text, same_name, whole_text
from rediff.data.text_files import Row, read_rows
from rediff.models.hub import first_line, is_hub_id
from rediff_eval.samples import Sample, broken_sample
from rediff_eval.sources.coco import coco_samples, is_coco
from rediff_eval.sources.pictures import of_bytes, of_file
from rediff_eval.sources.reading import read_table

Placed = tuple[str, Sample]
"""A sample, and the file and line, entry or row that it comes from."""
LISTINGS = (
    "captions.jsonl", "captions.json", "captions.csv", "metadata.jsonl", "metadata.csv",
)  # fmt: skip
"""Files of a folder that name its pictures; the last two are those of `datasets`' image folders."""
TABLES = (".parquet", ".arrow")
IMAGES = ("image", "file_name", "image_path", "filename", "path")
REFERENCES = ("references", "captions", "caption", "text")
"""Keys and columns that may hold the picture, and its references, in the order of preference."""


def own_name(data: Path) -> str:
    """The name of the user's data."""
    return f"own:{data if _is_hub(data) else data.resolve().name}"


def own_samples(data: Path, notes: list[str]) -> Iterator[Sample]:
    """All samples of a folder, file or hub data set (OWNER/NAME@REVISION, its first split by name).

    An entry that cannot be used is a sample that is `broken`. What is not read is told to `notes`.
    Raises FileNotFoundError or ValueError naming file and line, or row, where nothing can be read
    or an id stands twice.
    """
    seen: set[str] = set()
    for place, sample in _samples(data, notes):
        if same_name(sample.id) in seen:
            raise ValueError(f"{place}: id {sample.id!r} stands twice")
        seen.add(same_name(sample.id))
        yield sample


def _samples(data: Path, notes: list[str]) -> Iterator[Placed]:
    if data.is_dir():
        return _from_folder(data, notes)
    if data.is_file():
        return _from_file(data, notes)
    if _is_hub(data):
        return _from_hub(str(data), notes)
    raise FileNotFoundError(f"no folder or file {data}")


def _is_hub(data: Path) -> bool:
    return not data.exists() and is_hub_id(str(data))


def _from_file(path: Path, notes: list[str]) -> Iterator[Placed]:
    if path.suffix.lower() in TABLES:
        return _from_tables([path], notes)
    rows = read_rows(path)
    if len(rows) == 1 and is_coco(rows[0].value):
        return coco_samples(path, rows[0].value, notes)
    return _from_rows(path, rows, notes)


def _from_folder(folder: Path, notes: list[str]) -> Iterator[Placed]:
    """Of a folder its listing, else its tables, else COCO's annotations, else its pictures."""
    listings = [folder / name for name in LISTINGS if (folder / name).is_file()]
    tables = sorted(p for p in folder.iterdir() if p.suffix.lower() in TABLES)
    annotations = [
        path
        for path in sorted(folder.glob("*.json"))
        if path not in listings and is_coco(_only_value(path))
    ]
    chosen = listings[:1] or tables or annotations[:1]
    others = [p.name for p in (*listings, *tables, *annotations) if p not in chosen]
    if others:
        notes.append(f"{folder}: not read, since {chosen[0].name} is: {', '.join(others)}")
    if listings or not tables:
        return _from_file(chosen[0], notes) if chosen else _from_pictures(folder, notes)
    return _from_tables(tables, notes)


def _only_value(path: Path) -> object:
    try:
        rows = read_rows(path)
    except (ValueError, OSError):
        return None
    return rows[0].value if len(rows) == 1 else None


def _from_pictures(folder: Path, notes: list[str]) -> Iterator[Placed]:
    """Files whose content or name says that they are pictures; what else there is, is counted."""
    hidden, folders, others = 0, list[str](), Counter[str]()
    for path in sorted(folder.iterdir()):
        named = path.suffix.lower() in SUFFIXES
        if path.name.startswith("."):
            hidden += path.is_file()
        elif path.is_dir():
            folders.append(path.name)
        elif named or is_picture(path):
            yield str(path), of_file(path.name, path)
        else:
            others[path.suffix.lower() or "without a suffix"] += 1
    if hidden:
        notes.append(f"{folder}: {hidden} hidden files left out")
    if folders:
        notes.append(f"{folder}: {len(folders)} folders not entered: {', '.join(folders[:5])}")
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        notes.append(f"{folder}: {others.total()} files not read: {kinds}")


def _from_rows(path: Path, rows: Iterable[Row], notes: list[str]) -> Iterator[Placed]:
    """Records like `{"image": "a.png", "references": ["..."], "id": "a"}`; paths from the file."""
    keys = Counter[str]()
    for row in rows:
        if isinstance(row.value, dict):
            keys.update(row.value.keys() - {"id", *IMAGES, *REFERENCES})
        yield row.place, _from_row(row, path)
    if keys:
        notes.append(f"{path}: keys not read: {', '.join(sorted(keys))}")


def _from_row(row: Row, path: Path) -> Sample:
    record = row.value
    if row.broken is not None:
        return broken_sample(row.place, f"{row.place}: {row.broken}")
    image = _first(record, IMAGES) if isinstance(record, dict) else None
    if not isinstance(image, str):
        return broken_sample(row.place, f"{row.place}: expected an object with an 'image' path")
    try:
        name = id_text(record.get("id", image), "'id'")
        references = _texts(_first(record, REFERENCES))
    except ValueError as error:
        return broken_sample(row.place, f"{row.place}: {error}")
    picture = find_file(path.parent / image)
    if not picture.is_file():
        return broken_sample(name, f"{row.place}: no image file {picture}")
    return of_file(name, picture, references)


def _first(record: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The value of the first key that there is, of these."""
    return next((record[name] for name in names if name in record), None)


def _from_tables(paths: list[Path], notes: list[str]) -> Iterator[Placed]:
    count = itertools.count()
    for path in paths:
        names, rows = read_table(path)
        yield from _of_table(names, rows, str(path), count, notes)


def _from_hub(name: str, notes: list[str]) -> Iterator[Placed]:
    from datasets import Image as ImageColumn
    from datasets import load_dataset

    identity, _, revision = name.partition("@")
    try:
        splits = load_dataset(identity, revision=revision or None)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"cannot load the data set {name} ({first_line(error)}); download it where there is a"
            " network and give its parquet files"
        ) from error
    table = splits[sorted(splits)[0]]
    if isinstance(table.features.get("image"), ImageColumn):
        table = table.cast_column("image", ImageColumn(decode=False))
    yield from _of_table(table.column_names, table, name, itertools.count(), notes)


def _of_table(
    names: list[str], rows: Iterable[Any], where: str, count: Iterator[int], notes: list[str]
) -> Iterator[Placed]:
    """`count`: numbers the rows of all files; a row without an id is called by it."""
    if "image" not in names:
        raise ValueError(f"{where}: expected a column 'image', found {names}")
    column = next((name for name in REFERENCES if name in names), None)
    if left := [name for name in names if name not in ("id", "image", column)]:
        notes.append(f"{where}: columns not read: {', '.join(left)}")
    for number, row in enumerate(rows):
        place, own = f"{where}: row {number}", str(next(count))
        yield place, _of_row(row, column, place, own)


def _of_row(row: Mapping[str, Any], column: str | None, place: str, own: str) -> Sample:
    try:
        name = id_text(row["id"], "'id'") if "id" in row else own
        content = _bytes_of(row["image"])
        references = _texts(None if column is None else row[column])
    except (ValueError, OSError) as error:
        return broken_sample(place, f"{place}: {error}")
    return of_bytes(name, content, place, references)


def _bytes_of(image: object) -> bytes:
    content = image.get("bytes") if isinstance(image, Mapping) else image
    if isinstance(image, Mapping) and content is None and image.get("path"):
        content = Path(image["path"]).read_bytes()
    if not isinstance(content, bytes):
        raise ValueError("'image' holds no picture")
    return content


def _texts(raw: object) -> tuple[str, ...]:
    """References: a text or a list of texts, those that are not blank; none of nothing."""
    texts = [] if raw is None else [raw] if isinstance(raw, str) else raw
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("'references' must be a text or a list of texts")
    return tuple(whole_text(text) for text in texts if text.strip())
