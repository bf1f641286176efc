"""Training rows: pictures as pixels, responses as token ids on a canvas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import datasets
import numpy as np
import torch
from torch import Tensor

from rediff.models.checkpoint import Checkpoint
from rediff.models.pictures import Pictures, stack, unstack
from rediff.scenes.grammar import SYNONYMS, thing_meaning, write_plainly, write_sentence
from rediff.scenes.oracle import END
from rediff.scenes.world import COLOURS, COLUMNS, ROWS, SHAPES, SIZES, TEXTURES, Scene
from rediff.training.drafts import Correction

FACTS = (SHAPES, COLOURS, SIZES, TEXTURES, ROWS, COLUMNS)
"""The categories of words that state a fact; a false fact is another word of its category."""


@dataclass(frozen=True, slots=True)
class Example:
    """One picture with its responses.

    `picture`: a batch of one. `responses` int64 [K, R]: K true responses, each with stop tokens
    from its end to the end of the canvas. `draft`, `target` int64 [R]: a corrected draft, if any.
    """

    picture: Pictures
    responses: Tensor
    draft: Tensor | None = None
    target: Tensor | None = None


class Examples(torch.utils.data.Dataset[Example]):
    """Examples kept in memory."""

    def __init__(self, rows: Sequence[Example]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        return self.rows[index]


def to_canvas(text: str, checkpoint: Checkpoint, length: int) -> Tensor:
    """Token ids int64 [length] of a response, filled up with stop tokens.

    Raises ValueError if text and one stop token do not fit.
    """
    ids = checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) >= length:
        raise ValueError(f"a response of {len(ids)} tokens leaves no room to stop within {length}")
    stop = checkpoint.ids.stop
    return torch.tensor(ids + [stop] * (length - len(ids)))


def caption_examples(data: datasets.Dataset, checkpoint: Checkpoint, length: int) -> Examples:
    """Whole captions, all paraphrases of each picture."""
    return Examples(
        [
            Example(picture, torch.stack([to_canvas(c, checkpoint, length) for c in captions]))
            for picture, captions in zip(
                picture_rows(data, checkpoint), data["captions"], strict=True
            )
        ]
    )


def sentence_examples(
    data: datasets.Dataset, checkpoint: Checkpoint, length: int, *, plain: bool, seed: int
) -> Examples:
    """Single sentences about each thing in the picture, as many wordings as captions.

    `plain`: all of one form and one wording.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for picture, text, captions in zip(
        picture_rows(data, checkpoint), data["scene"], data["captions"], strict=True
    ):
        meanings = [thing_meaning(thing) for thing in Scene.from_json(text).things]
        sentences = [
            write_plainly(meaning) if plain else " ".join(write_sentence("thing", meaning, rng))
            for meaning in meanings * (1 if plain else len(captions))
        ]
        rows.append(
            Example(picture, torch.stack([to_canvas(s, checkpoint, length) for s in sentences]))
        )
    return Examples(rows)


def correction_examples(
    corrections: Iterable[Correction], data: datasets.Dataset, checkpoint: Checkpoint, length: int
) -> Examples:
    """Corrected drafts beside the captions of their pictures.

    Raises ValueError if a draft's picture is not in `data`.
    """
    captions = dict(zip(data["id"], caption_examples(data, checkpoint, length).rows, strict=True))
    vocabulary = checkpoint.tokenizer.get_vocab() | {END: checkpoint.ids.stop}
    rows = []
    for correction in corrections:
        if correction.draft.id not in captions:
            raise ValueError(f"no picture {correction.draft.id!r} in the training scenes")
        draft, target = (
            torch.tensor([vocabulary[word] for word in words])
            for words in (correction.draft.words, correction.corrected())
        )
        rows.append(replace(captions[correction.draft.id], draft=draft, target=target))
    return Examples(rows)


def picture_rows(
    data: datasets.Dataset, checkpoint: Checkpoint, batch: int = 256
) -> list[Pictures]:
    """Every picture of `data` as its tower takes it, each a batch of one."""
    return [
        picture
        for start in range(0, len(data), batch)
        for picture in unstack(checkpoint.pictures(data[start : start + batch]["image"]))
    ]


class FactTable:
    """Which token ids state facts, and which false ones could stand in their place."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        vocabulary = checkpoint.tokenizer.get_vocab()
        rows: dict[int, list[int]] = {}
        for category in FACTS:
            aliases = {word: SYNONYMS.get(word, (word,)) for word in category}
            for word in category:
                others = [vocabulary[a] for w in category if w != word for a in aliases[w]]
                rows |= {vocabulary[alias]: others for alias in aliases[word]}
        self.is_fact = torch.zeros(len(checkpoint.tokenizer), dtype=torch.bool)
        self.is_fact[list(rows)] = True
        self._false = torch.arange(len(checkpoint.tokenizer))[:, None].repeat(
            1, max(map(len, rows.values()))
        )
        for token, others in rows.items():
            width = self._false.size(1)
            self._false[token] = torch.tensor((others * width)[:width])

    def swaps(self, target: Tensor) -> Tensor:
        """A false fact for each token of `target` (any shape) that states one, else the token."""
        column = torch.randint(self._false.size(1), target.shape)
        return self._false[target, column]


def collate_inputs(
    pictures: Sequence[Pictures], tokens: Tensor, prompt_ids: Sequence[int]
) -> dict[str, Any]:
    """What `canvas_logits` of the trainer takes: canvases `tokens` [B, R] behind their prompts."""
    batch = stack(pictures)
    return {
        "tiles": batch.tiles,
        "counts": batch.counts,
        "sizes": batch.sizes,
        "prompt": tuple(prompt_ids),
        "tokens": tokens,
    }
