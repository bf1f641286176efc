"""The user's own pictures: a folder, a listing, COCO's annotations, tables, or a hub data set."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rediff.data.formats import CAPTIONS, IMAGES, given_key
from rediff.data.images import SUFFIXES, is_picture
from rediff.io.hub import first_line, is_hub_id
from rediff.io.names import find_file, id_text, is_file, same_name
from rediff.io.text_files import Row, read_rows
from rediff_eval.benchmarks.coco import coco_samples, is_coco
from rediff_eval.benchmarks.pictures import of_bytes, of_file
from rediff_eval.benchmarks.reading import read_table, reference_texts
from rediff_eval.benchmarks.sample import Sample, broken_sample

Placed = tuple[str, Sample]
"""A sample, and the file and line, entry or row that it comes from."""
LISTINGS = (
    "captions.jsonl",
    "captions.json",
    "captions.csv",
    "metadata.jsonl",
    "metadata.csv",
)
"""Files of a folder that name its pictures; the last two are those of `datasets`' image folders."""
TABLES = (".parquet", ".arrow")


def own_name(data: Path) -> str:
    """The name of the user's data."""
    return f"own:{data if _is_hub(data) else data.resolve().name}"


def own_samples(data: Path, notes: list[str]) -> Iterator[Sample]:
    """All samples of a folder, file or hub data set (OWNER/NAME@REVISION, its first split by name).

    An entry that cannot be used is a sample that is `broken`. Unread files are listed in `notes`.
    Raises FileNotFoundError or ValueError naming file and line, or row, where nothing can be read
    or an id is a duplicate.
    """
    seen: set[str] = set()
    for place, sample in _samples(data, notes):
        if same_name(sample.id) in seen:
            raise ValueError(f"{place}: duplicate id {sample.id!r}")
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
    seen = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    tables = [path for path in seen if path.suffix.lower() in TABLES]
    annotations = [
        path
        for path in seen
        if path.suffix.lower() == ".json" and path not in listings and is_coco(_only_value(path))
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
    """Files whose content or name says that they are pictures; other files are counted."""
    hidden, folders, others = 0, list[str](), Counter[str]()
    pictures: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            hidden += path.is_file()
        elif path.is_dir():
            folders.append(path.name)
        elif path.suffix.lower() in SUFFIXES or _seems_picture(path):
            pictures.append(path)
        else:
            others[path.suffix.lower() or "without a suffix"] += 1
    if hidden:
        notes.append(f"{folder}: {hidden} hidden files left out")
    if folders:
        notes.append(f"{folder}: {len(folders)} folders not entered: {', '.join(folders[:5])}")
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        notes.append(f"{folder}: {others.total()} files not read: {kinds}")
    return ((str(path), of_file(path.name, path)) for path in pictures)


def _seems_picture(path: Path) -> bool:
    """Whether a file without a picture's suffix begins as one; no pipe is waited for."""
    try:
        return path.is_file() and is_picture(path)
    except OSError:
        return False


def _from_rows(path: Path, rows: Iterable[Row], notes: list[str]) -> Iterator[Placed]:
    """Records like `{"image": "a.png", "references": ["..."], "id": "a"}`; paths from the file."""
    every = list(rows)
    left = Counter(key for row in every for key in _left_keys(row.value))
    if left:
        notes.append(f"{path}: keys not read: {', '.join(sorted(left))}")
    return ((row.place, _from_row(row, path)) for row in every)


def _left_keys(record: object) -> set[str]:
    """The keys of a record that nothing is read from, those too that others were preferred to."""
    if not isinstance(record, dict):
        return set()
    read = {"id", given_key(record, IMAGES), given_key(record, CAPTIONS)}
    return {key for key, value in record.items() if key not in read and value not in (None, [], "")}


def _from_row(row: Row, path: Path) -> Sample:
    record = row.value
    if row.broken is not None:
        return broken_sample(row.place, f"{row.place}: {row.broken}")
    image = _first(record, IMAGES) if isinstance(record, dict) else None
    if not isinstance(image, str):
        return broken_sample(row.place, f"{row.place}: expected an object with an 'image' path")
    try:
        name = id_text(record.get("id", image), "'id'")
        references = reference_texts(_first(record, CAPTIONS))
    except ValueError as error:
        return broken_sample(row.place, f"{row.place}: {error}")
    picture = find_file(path.parent / image)
    if not is_file(picture):
        return broken_sample(name, f"{row.place}: no image file {str(picture)[:200]}")
    return of_file(name, picture, references)


def _first(record: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The value of the first of these keys that has one."""
    key = given_key(record, names)
    return None if key is None else record[key]


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
    column = next((name for name in CAPTIONS if name in names), None)
    if left := [name for name in names if name not in ("id", "image", column)]:
        notes.append(f"{where}: columns not read: {', '.join(left)}")
    for number, row in enumerate(rows):
        place, own = f"{where}: row {number}", str(next(count))
        yield place, _of_row(row, column, place, own)


def _of_row(row: Mapping[str, Any], column: str | None, place: str, own: str) -> Sample:
    try:
        name = id_text(row["id"], "'id'") if "id" in row else own
        content = _bytes_of(row["image"])
        references = reference_texts(None if column is None else row[column])
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
