"""What is trained on, before any tokenizer: pictures with dialogues about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import datasets
import numpy as np
from PIL import Image

from rediff.data.alignment import amend
from rediff.data.images import open_image
from rediff.data.records import TextEdit, Turn
from rediff.data.store import RecordStore, Stored
from rediff.captioners.base import Said
from rediff.scenes.dialogues import FAMILIES, write_dialogue
from rediff.scenes.templates import write_sentence
from rediff.scenes.grammar import THING_FORMS, thing_meaning, write_plainly
from rediff.scenes.world import Scene

Dialogue = tuple[Turn, ...]
"""Questions with their answers; the last answer is the one that is learnt."""


def before_answer(dialogue: Dialogue) -> Said:
    """What is said before the last answer."""
    return tuple(text for turn in dialogue for text in (turn.question, turn.answer))[:-1]


@dataclass(frozen=True, slots=True)
class Item:
    """A picture with dialogues, of which any one is learnt at a time.

    `asked`: the number of the dialogue that drafts answer. `edits`: the last answer of the only
    dialogue is wrong, and these make it right; `first`: see `align`. `scene`: the truth about the
    picture, where it is known.
    """

    id: str
    image: Image.Image | Path
    dialogues: tuple[Dialogue, ...]
    asked: int = 0
    edits: tuple[TextEdit, ...] = ()
    first: bool = False
    scene: Scene | None = None

    def open(self) -> Image.Image:
        """The picture. Raises as `open_image`."""
        return open_image(self.image) if isinstance(self.image, Path) else self.image

    def truth(self, number: int) -> str:
        """The right answer of a dialogue. Raises AlignmentError as `amend`."""
        return amend(self.dialogues[number][-1].answer, self.edits, first=self.first)


def caption_items(data: datasets.Dataset, prompt: str) -> list[Item]:
    """Scenes with all their captions, as answers to `prompt`."""
    return [
        Item(row_id, image, _answers(prompt, captions), scene=Scene.from_json(text))
        for row_id, image, captions, text in _rows(data)
    ]


def sentence_items(data: datasets.Dataset, prompt: str, *, plain: bool, seed: int) -> list[Item]:
    """Single sentences about each thing of a scene, as many wordings as there are captions.

    `plain`: all of one form and one wording.
    """
    rng = np.random.default_rng(seed)
    items = []
    for row_id, image, captions, text in _rows(data):
        meanings = [thing_meaning(thing) for thing in Scene.from_json(text).things]
        sentences = [
            write_plainly(meaning) if plain else " ".join(write_sentence(THING_FORMS, meaning, rng))
            for meaning in meanings * (1 if plain else len(captions))
        ]
        items.append(Item(row_id, image, _answers(prompt, sentences)))
    return items


def question_items(data: datasets.Dataset, count: int, *, seed: int) -> list[Item]:
    """Scenes with `count` questions, instructions and two-turn dialogues about each.

    Their families take turns; drafts answer the first, so that they are of all families.
    """
    families = list(FAMILIES)
    items = []
    for number, (row_id, image, _, text) in enumerate(_rows(data)):
        scene, rng = Scene.from_json(text), np.random.default_rng([seed, number])
        dialogues = [
            write_dialogue(scene, families[(number + turn) % len(families)], rng)
            for turn in range(count)
        ]
        turns = tuple(tuple(map(Turn, said[::2], said[1::2])) for said in dialogues)
        items.append(Item(f"{row_id}-asked", image, turns, scene=scene))
    return items


class RecordItems(Sequence[Item]):
    """The items of stored records, made when they are taken. `numbers`: which of the store's."""

    def __init__(self, store: RecordStore, numbers: Sequence[int] | None = None) -> None:
        self.store = store
        self.numbers = range(len(store)) if numbers is None else numbers

    def only(self, numbers: Sequence[int]) -> RecordItems:
        """Some of the items."""
        return RecordItems(self.store, [self.numbers[number] for number in numbers])

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, number: int) -> Item: ...
    @overload
    def __getitem__(self, number: slice) -> list[Item]: ...
    def __getitem__(self, number: int | slice) -> Item | list[Item]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        return _item(self.store[self.numbers[number]])


def _item(stored: Stored) -> Item:
    """Each answer of a record with what was said before it; with edits, its last answer alone."""
    record = stored.record
    turns = record.turns
    dialogues = [turns] if record.edits else [turns[: i + 1] for i in range(len(turns))]
    return Item(
        record.place, record.image, tuple(dialogues), asked=len(dialogues) - 1,
        edits=record.edits, first=stored.first,
    )  # fmt: skip


def _answers(prompt: str, texts: Sequence[str]) -> tuple[Dialogue, ...]:
    return tuple((Turn(prompt, text),) for text in texts)


def _rows(data: datasets.Dataset) -> Iterator[tuple[str, Image.Image, list[str], str]]:
    columns = (data[name] for name in ("id", "image", "captions", "scene"))
    return zip(*columns, strict=True)
