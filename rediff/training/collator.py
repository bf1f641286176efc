"""Micro-batches: the rows of some slots, collated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.models.anyres import ImageBatch, stack_batches
from rediff.models.conditioning import embed_prompt, image_features
from rediff.models.prefix_attention import attention
from rediff.models.shifted_logits import has_shifted_logits
from rediff.training.corruption import Corrupted, TokenRole
from rediff.training.data_order import ScheduledRow
from rediff.training.objectives import Objective, TrainingRow

Batch = dict[str, Any]
"""`tiles`, `counts`, `sizes` and `sequences`, see `CaptionerForTraining`; `target`, `role` int64
[B, R], `certain` bool [B, R], `level` float32 [B], `draws` float32 [B, R]."""


@dataclass(frozen=True)
class Collator:
    """A collate function: each row is drawn from its slot's own seed, whatever its neighbours."""

    objective: Objective

    def __call__(self, slots: Sequence[ScheduledRow[Any]]) -> Batch:
        with torch.random.fork_rng(devices=[]):
            return collate([self._row(slot) for slot in slots])

    def _row(self, slot: ScheduledRow[Any]) -> TrainingRow:
        torch.default_generator.manual_seed(slot.seed)
        return self.objective(slot.row, slot.place)


def collate(rows: Sequence[TrainingRow]) -> Batch:
    """A batch of rows; shorter canvases are filled up on the left with `IGNORED` positions.

    On the left, since a sequence ends with its canvas.
    """
    pictures = stack_batches([row.picture for row in rows])
    longest = max(row.target.size(1) for row in rows)
    return {
        "tiles": pictures.tiles,
        "counts": pictures.counts,
        "sizes": pictures.sizes,
        "sequences": [[*row.prompt, *row.corrupted.tokens[0].tolist()] for row in rows],
        "target": _fill([row.target for row in rows], longest, 0),
        "role": _fill([row.corrupted.role for row in rows], longest, int(TokenRole.IGNORED)),
        "level": torch.cat([row.corrupted.level for row in rows]),
        "certain": _fill([_certain(row.corrupted) for row in rows], longest, 0),
        "draws": _fill([_draws(row.corrupted) for row in rows], longest, 0),
    }


def _certain(corrupted: Corrupted) -> Tensor:
    known = corrupted.certain
    return torch.zeros_like(corrupted.tokens, dtype=torch.bool) if known is None else known


def _draws(corrupted: Corrupted) -> Tensor:
    return torch.zeros(corrupted.tokens.shape) if corrupted.draws is None else corrupted.draws


def _fill(rows: Sequence[Tensor], length: int, value: int) -> Tensor:
    return torch.cat([nn.functional.pad(r, (length - r.size(1), 0), value=value) for r in rows])


class CaptionerForTraining(nn.Module):
    """A captioner's network as it is trained: one forward pass from pictures to canvas logits.

    Everything that is trained runs within `forward`, which is where sharding gathers weights. So
    does the rounding to `bfloat16`: DeepSpeed switches off an autocast around it.
    """

    def __init__(
        self, model: LlavaOnevisionForConditionalGeneration, *, causal: bool, bfloat16: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.shifted = causal or has_shifted_logits(model)
        self.rounds = bfloat16

    def forward(
        self,
        tiles: Tensor,
        counts: Sequence[int],
        sizes: Sequence[tuple[int, int]],
        sequences: Sequence[Sequence[int]],
        length: int,
    ) -> Tensor:
        """Logits [B, length, V] at the last `length` positions of each sequence.

        `sequences`: token ids of prompts and canvases, one image token each. The rest as in
        `ImageBatch`. A causal model, and one of shifted logits, predicts each token at the position
        before it.
        """
        pictures = ImageBatch(tiles, tuple(counts), tuple(sizes))
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.rounds):
            inside = embed_prompt(self.model, sequences, image_features(self.model, pictures))
            logits = self.model(
                inputs_embeds=inside.embeddings,
                logits_to_keep=length + self.shifted,
                use_cache=False,
                **attention(self.model, inside.embeddings, inside.lengths, length),
            ).logits
        return logits[:, :-1].contiguous() if self.shifted else logits


def canvas_logits(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """The logits [B, R, V] of a batch's canvases."""
    inputs = {name: batch[name] for name in ("tiles", "counts", "sizes", "sequences")}
    return model(**inputs, length=batch["target"].size(1))
