"""Samples: pictures with references, from the embedded scenes or from the user's own files."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from rediff.data.images import SUFFIXES, open_image
from rediff.scenes.dataset import WORLD_VERSION, load_scenes
from rediff.scenes.world import Scene
from rediff_eval.task import Task


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture. `open` reads it and may raise ValueError; `scene` is its truth where known.

    `digest` tells the picture from every other: a hash of its bytes, or of what it is drawn from.
    """

    id: str
    open: Callable[[], Image.Image]
    digest: str
    references: tuple[str, ...] = ()
    scene: Scene | None = None


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Samples and the name that tells them from others; runs of other names are not comparable."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def digest(self) -> str:
        """A hash of all ids, pictures and references."""
        parts = [f"{s.id}\0{s.digest}\0" + "\0".join(s.references) for s in self.samples]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def title(self) -> str:
        """The name with the digest's beginning: samples of one title are the same."""
        return f"{self.name}#{self.digest[:8]}"


def load_samples(task: Task, limit: int | None, data: Path | None) -> SampleSet:
    """The first `limit` samples of the task's data, or of the user's own folder or JSONL file."""
    if data is not None:
        own = list(itertools.islice(_own_samples(data), limit))
        if not own:
            raise ValueError(f"{data} holds no images")
        return SampleSet(f"own:{data.resolve().name}", tuple(own))
    count = limit or task.limit
    rows = load_scenes(task.split, count, captions=task.captions)
    samples = tuple(
        Sample(
            row["id"],
            _holding(row["image"]),
            _digest(f"{WORLD_VERSION} {row['scene']}".encode()),
            tuple(row["captions"]),
            Scene.from_json(row["scene"]),
        )
        for row in rows
    )
    return SampleSet(f"scenes-{WORLD_VERSION}-{task.split}", samples)


def _holding(image: Image.Image) -> Callable[[], Image.Image]:
    return lambda: image


def _own_samples(data: Path) -> Iterator[Sample]:
    if data.is_dir():
        listing = data / "captions.jsonl"
        return _from_lines(listing) if listing.is_file() else _from_folder(data)
    if data.is_file():
        return _from_lines(data)
    raise FileNotFoundError(f"no folder or file {data}")


def _from_folder(folder: Path) -> Iterator[Sample]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            yield Sample(path.name, _opening(path), _digest(path.read_bytes()))


def _from_lines(path: Path) -> Iterator[Sample]:
    """Lines like `{"image": "a.png", "references": ["..."], "id": "a"}`; paths from the file."""
    seen: set[str] = set()
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                sample = _from_line(line, path, f"{path}:{number}")
                if sample.id in seen:
                    raise ValueError(f"{path}:{number}: id {sample.id!r} stands twice")
                seen.add(sample.id)
                yield sample


def _from_line(line: str, path: Path, where: str) -> Sample:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("image"), str):
        raise ValueError(f"{where}: expected an object with an 'image' path")
    references = record.get("references", [])
    if not isinstance(references, list) or not all(isinstance(r, str) for r in references):
        raise ValueError(f"{where}: 'references' must be a list of texts")
    image = path.parent / record["image"]
    if not image.is_file():
        raise ValueError(f"{where}: no image file {image}")
    return Sample(
        str(record.get("id", record["image"])),
        _opening(image),
        _digest(image.read_bytes()),
        tuple(references),
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]


def _opening(path: Path) -> Callable[[], Image.Image]:
    return lambda: open_image(path)
