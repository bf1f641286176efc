"""The user's own pictures: a folder, JSON lines, parquet files, or a data set of a hub."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from rediff.data.images import SUFFIXES, open_bytes, open_image
from rediff.models.hub import first_line, is_hub_id
from rediff_eval.samples import Sample, digest_of
from rediff_eval.sources.reading import open_table, parse_json

Placed = tuple[str, Sample]
"""A sample, and where it stands."""
TABLES = ("*.parquet", "*.arrow")
REFERENCES = ("references", "captions", "caption", "text")
"""Columns that may hold references, in the order of preference."""


def own_name(data: Path) -> str:
    """The name of the user's data."""
    return f"own:{data if _is_hub(data) else data.resolve().name}"


def own_samples(data: Path) -> Iterator[Sample]:
    """All samples of a folder, file or hub data set (OWNER/NAME@REVISION, its first split by name).

    Raises FileNotFoundError or ValueError naming file and line, or row, of what is broken.
    """
    seen: set[str] = set()
    for place, sample in _samples(data):
        if sample.id in seen:
            raise ValueError(f"{place}: id {sample.id!r} stands twice")
        seen.add(sample.id)
        yield sample


def _samples(data: Path) -> Iterator[Placed]:
    if data.is_dir():
        listing = data / "captions.jsonl"
        if listing.is_file():
            return _from_lines(listing)
        tables = sorted(itertools.chain.from_iterable(data.glob(kind) for kind in TABLES))
        return _from_tables(tables) if tables else _from_folder(data)
    if data.is_file():
        return _from_tables([data]) if data.suffix in (".parquet", ".arrow") else _from_lines(data)
    if _is_hub(data):
        return _from_hub(str(data))
    raise FileNotFoundError(f"no folder or file {data}")


def _is_hub(data: Path) -> bool:
    return not data.exists() and is_hub_id(str(data))


def _from_folder(folder: Path) -> Iterator[Placed]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            yield str(path), of_file(path.name, path)


def of_file(sample_id: str, path: Path, references: tuple[str, ...] = ()) -> Sample:
    """A sample whose picture is a file."""
    return Sample(
        sample_id, lambda: open_image(path), digest_of(path.read_bytes()), references, file=path
    )


def _from_lines(path: Path) -> Iterator[Placed]:
    """Lines like `{"image": "a.png", "references": ["..."], "id": "a"}`; paths from the file."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                place = f"{path}:{number}"
                yield place, _from_line(line, path, place)


def _from_line(line: str, path: Path, where: str) -> Sample:
    record = parse_json(line, where)
    if not isinstance(record, dict) or not isinstance(record.get("image"), str):
        raise ValueError(f"{where}: expected an object with an 'image' path")
    image = path.parent / record["image"]
    if not image.is_file():
        raise ValueError(f"{where}: no image file {image}")
    references = _texts(record.get("references", []), f"{where}: 'references'")
    return of_file(str(record.get("id", record["image"])), image, references)


def _from_tables(paths: list[Path]) -> Iterator[Placed]:
    count = itertools.count()
    for path in paths:
        yield from _from_rows(open_table(path), str(path), count)


def _from_hub(name: str) -> Iterator[Placed]:
    from datasets import load_dataset

    identity, _, revision = name.partition("@")
    try:
        splits = load_dataset(identity, revision=revision or None)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"cannot load the data set {name} ({first_line(error)}); download it where there is a"
            " network and give its parquet files"
        ) from error
    yield from _from_rows(splits[sorted(splits)[0]], name, itertools.count())


def _from_rows(table: Any, where: str, count: Iterator[int]) -> Iterator[Placed]:
    """`count`: numbers the rows of all files; a row without an id is called by it."""
    from datasets import Image as ImageColumn

    if "image" not in table.column_names:
        raise ValueError(f"{where}: expected a column 'image', found {table.column_names}")
    column = next((name for name in REFERENCES if name in table.column_names), None)
    if isinstance(table.features["image"], ImageColumn):
        table = table.cast_column("image", ImageColumn(decode=False))
    for number, row in enumerate(table):
        place = f"{where}: row {number}"
        content = _bytes_of(row["image"], place)
        raw = [] if column is None else row[column]
        references = _texts([raw] if isinstance(raw, str) else raw, f"{place}: {column!r}")
        sample_id = str(row.get("id", next(count)))
        yield place, Sample(sample_id, opening(content, place), digest_of(content), references)


def _bytes_of(image: object, place: str) -> bytes:
    content = image.get("bytes") if isinstance(image, Mapping) else image
    if isinstance(image, Mapping) and content is None and image.get("path"):
        content = Path(image["path"]).read_bytes()
    if not isinstance(content, bytes):
        raise ValueError(f"{place}: 'image' holds no picture")
    return content


def opening(content: bytes, place: str) -> Callable[[], Image.Image]:
    """Opens a picture from its bytes; errors name the place it came from."""
    return lambda: open_bytes(content, place)


def _texts(raw: object, what: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(text, str) for text in raw):
        raise ValueError(f"{what} must be a list of texts")
    return tuple(raw)
