"""Samples: pictures with all that their captions are scored against."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from rediff.data.dialogue import Dialogue
from rediff.data.images import data_url
from rediff.scenes.world import Scene

DataKind = Literal["scenes", "own", "official"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with lettered options in its text, and the letter of the right one."""

    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Rival:
    """The caption that a reference model wrote for a picture."""

    model: str
    caption: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture. `open` reads it and may raise ValueError; `scene` is its truth where known.

    `digest` tells the picture from every other: a hash of its bytes, or of the scene that it shows,
    and of the question. `dialogue`: asked of this picture instead of the task's prompt.
    `read`: the picture's own bytes, where it has any. `aliases`: other names that captions may know
    it by. `broken`: why its entry cannot be used; then `open` raises a ValueError that says so.
    """

    id: str
    open: Callable[[], Image.Image]
    digest: str
    references: tuple[str, ...] = ()
    scene: Scene | None = None
    questions: tuple[Question, ...] = ()
    rival: Rival | None = None
    dialogue: Dialogue = ()
    read: Callable[[], bytes] | None = None
    aliases: tuple[str, ...] = ()
    broken: str | None = None

    def asked(self, prompt: str) -> Dialogue:
        """The dialogue for this picture in a task with a prompt."""
        return self.dialogue or (prompt,)

    def data_url(self) -> str:
        """The picture for a server: its own bytes where these will do. Raises as `open` does."""
        return data_url(self.open(), None if self.read is None else self.read())


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Samples and the name of their data; runs on data of other names are not comparable.

    `place`: the folder or file that they were read from, None for scenes. `notes`: on files found
    there and not read.
    """

    name: str
    samples: tuple[Sample, ...]
    kind: DataKind
    place: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A hash of all ids, pictures, references, questions and rivals."""
        return hashlib.sha256("\n".join(map(_identity, self.samples)).encode()).hexdigest()

    @property
    def title(self) -> str:
        """The name with the digest's beginning: samples of one title are the same."""
        return f"{self.name}#{self.digest[:8]}"


def _identity(sample: Sample) -> str:
    questions = (f"\0{question.text}\0{question.answer}" for question in sample.questions)
    rival = f"\0{sample.rival.model}\0{sample.rival.caption}" if sample.rival else ""
    references = "\0".join(sample.references)
    return f"{sample.id}\0{sample.digest}\0{references}{''.join(questions)}{rival}"


def broken_sample(sample_id: str, reason: str) -> Sample:
    """The sample of an entry that cannot be used.

    Args:
        sample_id: of the entry.
        reason: a clause; it fails with it when its picture is asked for.
    """

    def fail() -> Image.Image:
        raise ValueError(reason)

    return Sample(sample_id, fail, digest_of(reason.encode()), broken=reason)


def digest_of(content: bytes) -> str:
    """The digest of a picture's bytes."""
    return hashlib.sha256(content).hexdigest()[:24]
