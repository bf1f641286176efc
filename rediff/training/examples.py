"""Examples: pictures as pixels, answers as token ids on a canvas.

An objective makes a training row of an example (`objectives.py`, `foundational_revision.py` and
`self_correction.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rediff.data.alignment import align
from rediff.data.dialogue import Dialogue
from rediff.models.anyres import ImageBatch
from rediff.models.checkpoint import Checkpoint
from rediff.training.draft_records import Correction
from rediff.training.edits import END
from rediff.training.items import AnsweredDialogue, Item, before_answer


@dataclass(frozen=True, slots=True)
class Answer:
    """A right answer: `prompt`, the token ids before the canvas; `response` int64 [R], with eos
    tokens from its end to the end of the canvas."""

    prompt: tuple[int, ...]
    response: Tensor


@dataclass(frozen=True, slots=True)
class Revision:
    """A wrong answer `wrong` int64 [R] to `prompt`, and the right one, position by position.

    `unsure` bool [R]: where it is wrong and the right token is not known; None for nowhere.
    """

    prompt: tuple[int, ...]
    wrong: Tensor
    right: Tensor
    unsure: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One picture, a batch of one, with its right answers.

    `pair`: a right answer with false facts put in, for Stage I. `draft`: a draft of the model with
    its correction, for Stage II.
    """

    picture: ImageBatch
    answers: tuple[Answer, ...]
    pair: Revision | None = None
    draft: Revision | None = None


class Examples(torch.utils.data.Dataset[Example]):
    """Examples made from `sources` when they are taken, or all at once and kept in memory.

    Real pictures take too much memory to keep; those of the scenes take too long to make again.
    """

    def __init__(
        self, sources: Sequence[Any], make: Callable[[Any], Example], *, keep: bool
    ) -> None:
        self.sources = sources
        self.make = make
        self.kept = [make(source) for source in sources] if keep else None

    def __len__(self) -> int:
        return len(self.sources)

    def name_of(self, index: int) -> str:
        """The item or the draft that an example is made of."""
        source = self.sources[index]
        return source.draft.id if isinstance(source, Correction) else str(source.id)

    def __getitem__(self, index: int) -> Example:
        return self.make(self.sources[index]) if self.kept is None else self.kept[index]


class ExampleMaker:
    """Makes examples for a checkpoint. `length`: of the canvas, in tokens.

    `longest`: a longer answer has a canvas of its own size up to this many tokens; None: it is an
    error.
    """

    def __init__(self, checkpoint: Checkpoint, length: int, *, longest: int | None = None) -> None:
        self.checkpoint = checkpoint
        self.length = length
        self.longest = longest
        self._prompts: dict[Dialogue, tuple[int, ...]] = {}
        self._vocabulary = checkpoint.tokenizer.get_vocab() | {END: checkpoint.ids.eos}
        self._eos = checkpoint.ids.eos

    def __call__(self, item: Item) -> Example:
        """Raises ValueError naming the item if an answer is too long, and as `open_image` and
        `align`."""
        picture = self.checkpoint.image_batch([item.open()])
        if not item.edits:
            return Example(picture, self.answers(item.dialogues, item.id))
        (dialogue,) = item.dialogues
        aligned = align(
            self.checkpoint.tokenizer, dialogue[-1].answer, item.edits, first=item.first
        )
        prompt = self.prompt(dialogue)
        wrong, right = (self.fill(list(ids), item.id) for ids in (aligned.tokens, aligned.target))
        return Example(picture, (Answer(prompt, right),), pair=Revision(prompt, wrong, right))

    def drafted(self, item: Item) -> Example:
        """The same, an item's edits taken as those of a draft. Raises as above."""
        example = self(item)
        return replace(example, draft=example.pair, pair=None)

    def corrected(self, correction: Correction, items: Mapping[str, Item]) -> Example:
        """A corrected draft beside the right answers of its picture, which is among `items`."""
        draft = correction.draft
        item = items[draft.id]
        wrong, right = (
            torch.tensor([self._vocabulary[word] for word in words])
            for words in (draft.words, correction.corrected())
        )
        prompt = self.prompt(item.dialogues[draft.dialogue])
        unsure = torch.tensor(correction.unsure())
        return replace(self(item), draft=Revision(prompt, wrong, right, unsure))

    def answers(self, dialogues: Sequence[AnsweredDialogue], place: str) -> tuple[Answer, ...]:
        """The last answer of each dialogue. Raises ValueError naming `place` if one is too long.

        Tokenized together: a call of the tokenizer takes several times as long as an answer.
        """
        return tuple(
            Answer(self.prompt(dialogue), self.fill(ids, place))
            for dialogue, ids in zip(dialogues, self._tokenize(dialogues), strict=True)
        )

    def _tokenize(self, dialogues: Sequence[AnsweredDialogue]) -> list[list[int]]:
        texts = [dialogue[-1].answer for dialogue in dialogues]
        ids: list[list[int]] = self.checkpoint.tokenizer(texts, add_special_tokens=False)[
            "input_ids"
        ]
        return ids

    def prompt(self, dialogue: AnsweredDialogue) -> tuple[int, ...]:
        """Token ids of everything before the last answer."""
        said = before_answer(dialogue)
        if len(said) > 1:
            return tuple(self.checkpoint.prompt_ids(said))
        if said not in self._prompts:
            self._prompts[said] = tuple(self.checkpoint.prompt_ids(said))
        return self._prompts[said]

    @property
    def most(self) -> int:
        """Tokens of the longest canvas."""
        return self.longest or self.length

    def fits(self, dialogues: Sequence[AnsweredDialogue]) -> bool:
        """Whether each answer and an eos token fit in a canvas."""
        return all(len(ids) < self.most for ids in self._tokenize(dialogues))

    def fill(self, ids: list[int], place: str) -> Tensor:
        """Token ids of a response, filled up with stop tokens; int64 [R].

        Raises ValueError naming `place` if the response and one eos token do not fit.
        """
        length = max(self.length, len(ids) + 1) if self.longest else self.length
        if length > self.most or len(ids) >= length:
            raise ValueError(
                f"{place}: a response of {len(ids)} tokens leaves no room to stop within"
                f" {self.most}"
            )
        return torch.tensor(ids + [self._eos] * (length - len(ids)))
