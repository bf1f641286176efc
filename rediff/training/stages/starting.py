"""Stages that training starts from: a checkpoint from elsewhere, or a tiny model from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import SiglipImageProcessorPil

from rediff.captioners.base import CAPTION_PROMPT
from rediff.models.config import Card
from rediff.models.checkpoint import Checkpoint
from rediff.models.tiny import build_model
from rediff.models.chat_format import build_tokenizer
from rediff.scenes.answers import question_words
from rediff.scenes.grammar import vocabulary
from rediff.scenes.parser import tokenize
from rediff.training.collator import Batch
from rediff.training.distributed import alone
from rediff.training.recipe import Recipe
from rediff.training.data_order import Slot
from rediff.training.settings import CheckpointStage, VisionStage
from rediff.training.stages.run import MODEL, Run
from rediff.training.trainer import OwnOptimizerTrainer, fit
from rediff.training.vision import LabelledCells, WordAlignment, collate_cells


def run_checkpoint(stage: CheckpointStage, run: Run) -> None:
    """Raises ValueError if it is no diffusion checkpoint."""
    assert stage.folder is not None
    checkpoint = Checkpoint.load(Path(stage.folder), dtype="stored")
    if checkpoint.card.kind != "diffusion":
        raise ValueError(f"{stage.folder} is no diffusion checkpoint")
    checkpoint.with_card(canvas=run.recipe.canvas).save(run.folder / MODEL)


def tiny_checkpoint(recipe: Recipe) -> Checkpoint:
    """The embedded model with fresh weights, drawn from torch's global generator."""
    words = (*vocabulary(), "user", "assistant", *tokenize(CAPTION_PROMPT))
    tokenizer = build_tokenizer([*words, *(question_words() if recipe.scenes.questions else ())])
    model, side = recipe.model, recipe.model.image_size
    return Checkpoint(
        model=build_model(model, tokenizer, causal=False),
        tokenizer=tokenizer,
        images=SiglipImageProcessorPil(size={"height": side, "width": side}),
        card=Card(kind="diffusion", canvas=recipe.canvas, image_tokens=model.image_tokens),
    )


def run_vision(stage: VisionStage, run: Run) -> None:
    checkpoint = tiny_checkpoint(run.recipe)
    items = run.items("captions", checkpoint.card.prompt)
    pixels = [checkpoint.pictures([item.open()]).tiles[0] for item in items]
    rows = LabelledCells(pixels, [item.scene for item in items if item.scene is not None])
    alignment = WordAlignment(checkpoint)
    fit(
        OwnOptimizerTrainer, alignment, rows, _collate, stage.optimisation, run.folder,
        seed=stage.seed,
    )  # fmt: skip
    alignment.settle(torch.stack(list(pixels[:256])))
    alone(lambda: checkpoint.save(run.folder / MODEL))


def _collate(slots: Sequence[Slot[tuple[torch.Tensor, torch.Tensor]]]) -> Batch:
    return collate_cells([slot.row for slot in slots])
