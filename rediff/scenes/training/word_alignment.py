"""Vision warm-up: the grid squares of a picture aligned with the words that describe them.

It replaces the pretraining of SigLIP, whose features already lie near the text that
fits them. Without it a model this small sees the picture for thousands of steps and binds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.models.checkpoint import Checkpoint
from rediff.scenes.templates import SYNONYMS
from rediff.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    COLUMNS,
    ROWS,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
)

CATEGORIES = (SHAPES, COLOURS, SIZES, TEXTURES, ROWS, COLUMNS, BACKGROUNDS)
TEMPERATURE = 0.05
NOTHING = -100
"""Label of a grid square that no word of the category describes."""


class WordAlignment(nn.Module):
    """Classifies each grid square against word embeddings, by cosine over `TEMPERATURE`.

    For each category the loss is the cross-entropy over its words, each word represented by itself
    or one of its paraphrases, drawn at each pass.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.model: LlavaOnevisionForConditionalGeneration = checkpoint.model
        vocabulary = checkpoint.tokenizer.get_vocab()
        self.words = [
            [torch.tensor([vocabulary[a] for a in SYNONYMS.get(w, (w,))]) for w in category]
            for category in CATEGORIES
        ]

    def forward(self, pixel_values: Tensor, cells: Tensor) -> dict[str, Tensor]:
        """`pixel_values` [B, 3, S, S], `cells` int64 [B, 9, categories]; returns the loss."""
        features = F.normalize(self.features(pixel_values), dim=-1)
        embeddings = F.normalize(self.embeddings(), dim=-1)
        losses = []
        for k, category in enumerate(self.words):
            ids = torch.stack([w[torch.randint(len(w), ())] for w in category])
            logits = features @ embeddings[ids].T / TEMPERATURE
            losses.append(F.cross_entropy(logits.flatten(0, 1), cells[..., k].flatten()))
        return {"loss": torch.stack(losses).sum()}

    def features(self, pixel_values: Tensor) -> Tensor:
        """Projected features of the grid squares, without the newline vector, [B, 9, D]."""
        sizes = torch.tensor([pixel_values.shape[-2:]] * len(pixel_values))
        pixels = pixel_values.to(self.model.device)
        packed = self.model.get_image_features(pixels, image_sizes=sizes).pooler_output
        return torch.stack(list(packed))[:, :-1]

    def embeddings(self) -> Tensor:
        """The word embeddings, [V, D]."""
        weight = self.model.get_input_embeddings().weight
        assert isinstance(weight, Tensor)
        return weight

    @torch.no_grad()
    def scale_features(self, pixel_values: Tensor) -> None:
        """Scales the projector to unit features, and starts the head from the word embeddings."""
        scale = self.features(pixel_values).std()
        projector = self.model.model.multi_modal_projector
        projector.linear_2.weight.div_(scale)
        projector.linear_2.bias.div_(scale)
        embeddings = self.embeddings()
        self.model.lm_head.weight.copy_(embeddings / embeddings.size(1) ** 0.5)


def describe_cells(scene: Scene) -> Tensor:
    """Labels int64 [9, categories]: each grid square's word by index, `NOTHING` for none."""
    cells = torch.full((len(ROWS) * len(COLUMNS), len(CATEGORIES)), NOTHING)
    cells[:, 4] = torch.arange(len(cells)) // len(COLUMNS)
    cells[:, 5] = torch.arange(len(cells)) % len(COLUMNS)
    cells[:, 6] = BACKGROUNDS.index(scene.background)
    for thing in scene.things:
        cell = ROWS.index(thing.row) * len(COLUMNS) + COLUMNS.index(thing.column)
        words = (thing.shape, thing.colour, thing.size, thing.texture)
        labels = [category.index(word) for category, word in zip(CATEGORIES, words, strict=False)]
        cells[cell, :4] = torch.tensor(labels)
    return cells


class LabelledCells(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Images float32 [3, S, S] with the labels of their grid squares."""

    def __init__(self, pixels: Sequence[Tensor], scenes: Sequence[Scene]) -> None:
        self.rows = [(p, describe_cells(s)) for p, s in zip(pixels, scenes, strict=True)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.rows[index]


def collate_cells(rows: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    return {
        "pixel_values": torch.stack([pixels for pixels, _ in rows]),
        "cells": torch.stack([cells for _, cells in rows]),
    }
