"""Stages that take optimisation steps on a checkpoint's denoiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import ConcatDataset

from rediff.io.files import replace as replace_file
from rediff.models.config import Dtype
from rediff.models.checkpoint import Checkpoint
from rediff.models.anyres import image_tokens
from rediff.models.tiny import is_causal, make_causal
from rediff.training.collator import CanvasModel, Collate
from rediff.training.corruption import Kind
from rediff.training.drafts import CORRECTIONS, Correction, read_lines
from rediff.training.examples import Example, ExampleMaker, Examples
from rediff.training.facts import FactTable
from rediff.training.items import Item, RecordItems
from rediff.training.lora import add_lora
from rediff.training.losses import Weighting
from rediff.training.objectives import Correct, Levels, NextToken, Objective, Predict, Revise
from rediff.training.optimisation import Optimisation
from rediff.training.distributed import alone
from rediff.training.data_order import Rows
from rediff.training.settings import EMBEDDED, CorrectStage, LossWeights, PredictStage, ReviseStage
from rediff.training.sharding import gather_weights
from rediff.training.stages.run import MODEL, Run
from rediff.training.trainer import RevisionTrainer, fit

LEFT_OUT = "left-out.txt"
MOST_LEFT_OUT = 0.01
"""Share of the records that a stage may leave out since their answers are too long for it."""
Learning = PredictStage | ReviseStage | CorrectStage


def run_predict(stage: PredictStage, run: Run) -> None:
    start = run.checkpoint(stage.start, dtype=_dtype(stage.optimisation))
    checkpoint = _autoregressive(start) if stage.causal and not is_causal(start.model) else start
    facts = FactTable(checkpoint) if stage.facts_only else None
    ids = checkpoint.ids
    objective: Objective = (
        NextToken(ids, facts)
        if stage.causal
        else Predict(ids, Levels(*stage.levels, stage.power), facts, stage.suffix_share)
    )
    _train(stage, run, checkpoint, objective, canvas=stage.canvas, weighting=stage.weighting)


def _autoregressive(start: Checkpoint) -> Checkpoint:
    causal = replace(start, model=make_causal(start.model))
    return causal.with_card(kind="autoregressive")


def run_revise(stage: ReviseStage, run: Run) -> None:
    checkpoint = run.checkpoint(stage.start, dtype=_dtype(stage.optimisation))
    objective = _revision(stage, checkpoint, Levels(*stage.levels, stage.power), tied=stage.tied)
    _train(stage, run, checkpoint, objective, weights=stage.loss_weights, weighting=stage.weighting)


def run_correct(stage: CorrectStage, run: Run) -> None:
    checkpoint = run.checkpoint(stage.start, dtype=_dtype(stage.optimisation))
    objective = Correct(
        checkpoint.ids,
        _revision(stage, checkpoint, Levels()),
        stage.stage1_share,
        stage.masked_share,
    )
    _train(stage, run, checkpoint, objective, weights=stage.loss_weights)


def _dtype(settings: Optimisation) -> Dtype:
    """Of the weights: those that only take low-rank updates need not be precise."""
    return settings.precision if settings.lora else "float32"


def _revision(
    stage: ReviseStage | CorrectStage, checkpoint: Checkpoint, levels: Levels, *, tied: bool = False
) -> Revise:
    embedded = any(name in EMBEDDED for name in stage.data)
    return Revise(
        checkpoint.ids,
        torch.tensor(checkpoint.word_ids),
        FactTable(checkpoint) if embedded else None,
        levels,
        stage.syntax_rate,
        stage.hallucination_rate,
        stage.suffix_share,
        tied,
    )


def _train(
    stage: Learning, run: Run, checkpoint: Checkpoint, objective: Objective,
    *, canvas: int | None = None, weights: LossWeights | None = None,
    weighting: Weighting = "uniform",
) -> None:  # fmt: skip
    """Trains and saves the checkpoint."""
    settings, network = stage.optimisation, checkpoint.model
    rows, lengths = _rows(stage, run, checkpoint, canvas or run.recipe.canvas)
    if settings.gradient_checkpointing:
        network.gradient_checkpointing_enable({"use_reentrant": False})
    bfloat16 = settings.precision == "bfloat16"
    trained = CanvasModel(network, causal=is_causal(network), bfloat16=bfloat16)
    updates = None if settings.lora is None else add_lora(network, settings.lora, seed=stage.seed)
    fit(
        RevisionTrainer, trained, rows, Collate(objective), settings, run.folder,
        seed=stage.seed, weighting=weighting, lengths=lengths,
        weights={Kind[name.upper()]: weight for name, weight in (weights or {}).items()},
    )  # fmt: skip
    if updates is not None:
        updates.merge_and_unload()
    whole = gather_weights(network) if settings.shard else None
    alone(lambda: checkpoint.save(run.folder / MODEL, weights=whole))


def _rows(
    stage: Learning, run: Run, checkpoint: Checkpoint, canvas: int
) -> tuple[Rows[Example], Sequence[int] | None]:
    """The rows to learn from, and their lengths in tokens where rows are grouped by them."""
    prompt = checkpoint.card.prompt
    maker = ExampleMaker(checkpoint, canvas, longest=stage.longest)
    if isinstance(stage, CorrectStage) and stage.corrections is not None:
        corrections = list(read_lines(run.root / stage.corrections / CORRECTIONS, Correction))
        items_of = run.items_of((c.draft for c in corrections), stage.data, prompt)
        make = partial(maker.corrected, items=items_of)
        return Examples(corrections, make, keep=set(stage.data) <= set(EMBEDDED)), None
    make_row = maker.drafted if isinstance(stage, CorrectStage) else maker
    items = {
        name: fitting(run.items(name, prompt, seed=stage.seed), maker, run.folder)
        for name in stage.data
    }
    rows: Any = ConcatDataset(
        [Examples(own, make_row, keep=name in EMBEDDED) for name, own in items.items()]
    )
    if not stage.optimisation.group_by_length:
        return rows, None
    return rows, [length for own in items.values() for length in _lengths(own, checkpoint)]


def fitting(items: Sequence[Item], maker: ExampleMaker, folder: Path) -> Sequence[Item]:
    """The items of stored records whose answers fit in the canvas; the others' ids are written to
    `LEFT_OUT` in the stage's folder.

    Looked at before the first step, not when their turn comes. Raises ValueError naming the first
    if they are more than `MOST_LEFT_OUT` of all.
    """
    if not isinstance(items, RecordItems):
        return items
    fits = [
        stored.tokens < maker.most or maker.fits(item.dialogues)
        for stored, item in zip(items.store, items, strict=True)
    ]
    lost = [item.id for item, good in zip(items, fits, strict=True) if not good]
    if len(lost) > MOST_LEFT_OUT * len(items):
        raise ValueError(
            f"{len(lost)} of {len(items)} records have an answer that leaves no room to stop within"
            f" {maker.most} tokens ({MOST_LEFT_OUT:.0%} may); the first: {lost[0]}"
        )
    if not lost:
        return items
    alone(lambda: replace_file(folder / LEFT_OUT, "".join(f"{name}\n" for name in lost)))
    return items.only([number for number, good in enumerate(fits) if good])


def _lengths(items: Sequence[Item], checkpoint: Checkpoint) -> list[int]:
    """Tokens of each item, text and picture; those of embedded data are all alike."""
    if not isinstance(items, RecordItems):
        return [0] * len(items)
    config = checkpoint.model.config
    chosen = (items.store[number] for number in items.numbers)
    return [stored.tokens + image_tokens(stored.size, config) for stored in chosen]
