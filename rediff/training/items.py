"""Training data before any tokenizer: pictures with dialogues about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from PIL import Image

from rediff.data.alignment import amend
from rediff.data.dialogue import Dialogue
from rediff.data.images import open_image
from rediff.data.records import TextEdit, Turn
from rediff.data.store import RecordStore, Stored

AnsweredDialogue = tuple[Turn, ...]
"""Questions with their answers; the last answer is the one that is learnt."""


def before_answer(dialogue: AnsweredDialogue) -> Dialogue:
    """The texts in front of the last answer."""
    return tuple(text for turn in dialogue for text in (turn.question, turn.answer))[:-1]


@dataclass(frozen=True, slots=True)
class Item:
    """A picture with dialogues, of which one is learnt at a time.

    `asked`: number of the dialogue that drafts answer. `edits`: where given, the last answer of
    the only dialogue is wrong, and these edits make it right; `first`: see `align`. `known`:
    a data source's knowledge of the picture, for its experts and stages (a scene, for example).
    """

    id: str
    image: Image.Image | Path
    dialogues: tuple[AnsweredDialogue, ...]
    asked: int = 0
    edits: tuple[TextEdit, ...] = ()
    first: bool = False
    known: object | None = None

    def open(self) -> Image.Image:
        """The picture. Raises as `open_image`."""
        return open_image(self.image) if isinstance(self.image, Path) else self.image

    def truth(self, number: int) -> str:
        """The right answer of a dialogue. Raises AlignmentError as `amend`."""
        return amend(self.dialogues[number][-1].answer, self.edits, first=self.first)

    def righted(self) -> Item:
        """The item with its right answer where the last one is wrong. Raises as `truth`."""
        if not self.edits:
            return self
        (dialogue,) = self.dialogues
        right = (*dialogue[:-1], replace(dialogue[-1], answer=self.truth(0)))
        return replace(self, dialogues=(right,), edits=())


class RecordItems(Sequence[Item]):
    """The items of stored records, made when they are taken.

    `prompt`: the request for a caption where a record has no question. `numbers`: which of the
    store's records.
    """

    def __init__(
        self, store: RecordStore, prompt: str, numbers: Sequence[int] | None = None
    ) -> None:
        self.store = store
        self.prompt = prompt
        self.numbers = range(len(store)) if numbers is None else numbers

    def only(self, numbers: Sequence[int]) -> RecordItems:
        """Some of the items."""
        return RecordItems(self.store, self.prompt, [self.numbers[number] for number in numbers])

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, number: int) -> Item: ...
    @overload
    def __getitem__(self, number: slice) -> list[Item]: ...
    def __getitem__(self, number: int | slice) -> Item | list[Item]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        return _item(self.store[self.numbers[number]], self.prompt)


def _item(stored: Stored, prompt: str) -> Item:
    """Each answer of a record with the turns before it; with edits, its last answer alone."""
    record = stored.record
    turns = tuple(
        turn if turn.question else replace(turn, question=prompt) for turn in record.turns
    )
    dialogues = [turns] if record.edits else [turns[: i + 1] for i in range(len(turns))]
    return Item(
        record.place,
        record.image,
        tuple(dialogues),
        asked=len(dialogues) - 1,
        edits=record.edits,
        first=stored.first,
    )
