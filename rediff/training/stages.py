"""One function a stage: from the folders it needs to the folder it makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from PIL import Image
from transformers import SiglipImageProcessorPil, set_seed

from rediff.decoding.canvas import Canvas
from rediff.decoding.samplers import decode, find_sampler
from rediff.models.checkpoint import CAPTION_PROMPT, Card, Checkpoint
from rediff.models.diffusion import prefixed
from rediff.models.tiny import build_model, is_causal, make_causal
from rediff.models.tokenizer import build_tokenizer
from rediff.scenes.dataset import WORLD_VERSION, load_scenes
from rediff.scenes.grammar import vocabulary
from rediff.scenes.reader import tokenize
from rediff.scenes.world import Scene
from rediff.training.corruption import Kind
from rediff.training.drafts import (
    Correction,
    Draft,
    correct_by_oracle,
    pad_words,
    read_lines,
    write_lines,
)
from rediff.training.examples import (
    Examples,
    FactTable,
    caption_examples,
    correction_examples,
    picture_rows,
    sentence_examples,
)
from rediff.training.objectives import Correct, Levels, NextToken, Objective, Predict, Revise
from rediff.training.recipe import (
    CheckpointStage,
    CorrectStage,
    DraftsStage,
    ExpertStage,
    PredictStage,
    Recipe,
    ReviseStage,
    VisionStage,
)
from rediff.training.trainer import OwnOptimizerTrainer, RevisionTrainer, fit
from rediff.training.vision import LabelledCells, WordAlignment, collate_cells

MODEL = "model"
DRAFTS = "drafts.jsonl"
CORRECTIONS = "corrections.jsonl"


def training_scenes(recipe: Recipe, root: Path) -> Dataset:
    """The recipe's training split, made once and kept under `root`."""
    scenes = recipe.scenes
    folder = root / f"scenes-{WORLD_VERSION}-{scenes.seed}-{scenes.train}-{scenes.captions}"
    if not folder.is_dir():
        partial = folder.with_suffix(f".{os.getpid()}")
        load_scenes("train", scenes.train, captions=scenes.captions, seed=scenes.seed).save_to_disk(
            str(partial)
        )
        partial.rename(folder)
    return Dataset.load_from_disk(str(folder))


def run_checkpoint(stage: CheckpointStage, recipe: Recipe, root: Path, folder: Path) -> None:
    """Raises ValueError if the checkpoint cannot be trained on scenes."""
    assert stage.folder is not None
    checkpoint = Checkpoint.load(Path(stage.folder))
    if checkpoint.card.kind != "diffusion":
        raise ValueError(f"{stage.folder} is no diffusion checkpoint")
    missing = sorted(set(vocabulary()) - checkpoint.tokenizer.get_vocab().keys())
    if missing:
        raise ValueError(
            f"{stage.folder}: the tokenizer has no single token for {len(missing)} words of the"
            f" scenes, e.g. {', '.join(missing[:5])}"
        )
    checkpoint.with_card(canvas=recipe.canvas).save(folder / MODEL)


def run_vision(stage: VisionStage, recipe: Recipe, root: Path, folder: Path) -> None:
    tokenizer = build_tokenizer((*vocabulary(), "user", "assistant", *tokenize(CAPTION_PROMPT)))
    side = recipe.model.image_size
    checkpoint = Checkpoint(
        model=build_model(recipe.model, tokenizer, causal=False),
        tokenizer=tokenizer,
        images=SiglipImageProcessorPil(size={"height": side, "width": side}),
        card=Card(kind="diffusion", canvas=recipe.canvas, image_tokens=recipe.model.image_tokens),
    )
    data = training_scenes(recipe, root)
    pixels = [picture.tiles[0] for picture in picture_rows(data, checkpoint)]
    rows = LabelledCells(pixels, [Scene.from_json(text) for text in data["scene"]])
    alignment = WordAlignment(checkpoint)
    fit(
        OwnOptimizerTrainer, alignment, rows, collate_cells, stage.optimisation, folder,
        seed=stage.seed,
    )  # fmt: skip
    alignment.settle(torch.stack(list(pixels[:256])))
    checkpoint.save(folder / MODEL)


def run_predict(stage: PredictStage, recipe: Recipe, root: Path, folder: Path) -> None:
    start = Checkpoint.load(root / stage.start / MODEL)
    checkpoint = _autoregressive(start) if stage.causal and not is_causal(start.model) else start
    data = training_scenes(recipe, root)
    if stage.responses == "captions":
        examples = caption_examples(data, checkpoint, stage.canvas or recipe.canvas)
    else:
        assert stage.canvas is not None
        examples = sentence_examples(
            data, checkpoint, stage.canvas, plain=stage.responses == "plain", seed=stage.seed
        )
    facts = FactTable(checkpoint) if stage.facts_only else None
    objective: Objective = (
        NextToken(checkpoint, facts)
        if stage.causal
        else Predict(checkpoint, Levels(*stage.levels, stage.power), facts, stage.suffix_share)
    )
    _train(stage, checkpoint, examples, objective, folder, {})


def _autoregressive(start: Checkpoint) -> Checkpoint:
    causal = replace(start, model=make_causal(start.model))
    return causal.with_card(kind="autoregressive")


def run_revise(stage: ReviseStage, recipe: Recipe, root: Path, folder: Path) -> None:
    checkpoint = Checkpoint.load(root / stage.start / MODEL)
    examples = caption_examples(training_scenes(recipe, root), checkpoint, recipe.canvas)
    objective = _revision(stage, checkpoint, Levels(*stage.levels, stage.power))
    _train(stage, checkpoint, examples, objective, folder, stage.loss_weights)


def run_correct(stage: CorrectStage, recipe: Recipe, root: Path, folder: Path) -> None:
    checkpoint = Checkpoint.load(root / stage.start / MODEL)
    corrections = list(read_lines(root / stage.corrections / CORRECTIONS, Correction))
    examples = correction_examples(
        corrections, training_scenes(recipe, root), checkpoint, recipe.canvas
    )
    objective = Correct(
        checkpoint,
        _revision(stage, checkpoint, Levels()),
        stage.stage1_share,
        stage.masked_share,
    )
    _train(stage, checkpoint, examples, objective, folder, stage.loss_weights)


def _revision(stage: ReviseStage | CorrectStage, checkpoint: Checkpoint, levels: Levels) -> Revise:
    return Revise(
        checkpoint,
        FactTable(checkpoint),
        levels,
        stage.syntax_rate,
        stage.hallucination_rate,
        stage.suffix_share,
    )


def _train(
    stage: PredictStage | ReviseStage | CorrectStage,
    checkpoint: Checkpoint,
    examples: Examples,
    objective: Objective,
    folder: Path,
    weights: Mapping[str, float],
) -> None:
    fit(
        RevisionTrainer, checkpoint.model, examples, objective, stage.optimisation, folder,
        seed=stage.seed, weighting=stage.weighting,
        weights={Kind[name.upper()]: weight for name, weight in weights.items()},
    )  # fmt: skip
    checkpoint.save(folder / MODEL)


def run_drafts(stage: DraftsStage, recipe: Recipe, root: Path, folder: Path) -> None:
    checkpoint = Checkpoint.load(root / stage.start / MODEL)
    data = training_scenes(recipe, root).select(range(stage.scenes))
    drafts = [
        Draft(id=row_id, tokens_per_step=budget, words=words)
        for budget in stage.tokens_per_step
        for begin in range(0, len(data), stage.batch_size)
        for row_id, words in _draft(
            checkpoint, stage, data[begin : begin + stage.batch_size], budget
        )
    ]
    write_lines(folder / DRAFTS, drafts)


def _draft(
    checkpoint: Checkpoint, stage: DraftsStage, rows: Mapping[str, Any], budget: int
) -> list[tuple[str, tuple[str, ...]]]:
    length = checkpoint.card.canvas
    images: Sequence[Image.Image] = rows["image"]
    canvas = Canvas.blank(len(images), length, checkpoint.ids)
    denoiser = prefixed(checkpoint, images)
    decoded = decode(denoiser, canvas, find_sampler(stage.sampler), length // budget)
    words = [checkpoint.tokenizer.convert_ids_to_tokens(ids) for ids in decoded.responses]
    return [(i, pad_words(w, length)) for i, w in zip(rows["id"], words, strict=True)]


def run_expert(stage: ExpertStage, recipe: Recipe, root: Path, folder: Path) -> None:
    drafts = list(read_lines(root / stage.drafts / DRAFTS, Draft))
    data = training_scenes(recipe, root)
    scenes = dict(zip(data["id"], data["scene"], strict=True))
    corrections = [correct_by_oracle(d, Scene.from_json(scenes[d.id])) for d in drafts]
    write_lines(folder / CORRECTIONS, corrections)


RUNNERS: Mapping[str, Callable[[Any, Recipe, Path, Path], None]] = {
    "checkpoint": run_checkpoint,
    "vision": run_vision,
    "predict": run_predict,
    "revise": run_revise,
    "correct": run_correct,
    "drafts": run_drafts,
    "expert": run_expert,
}


def run_stage(name: str, recipe: Recipe, root: Path, folder: Path) -> None:
    """Runs one stage in this process, reading its needs under `root` and writing to `folder`."""
    stage = recipe.stages[name]
    set_seed(stage.seed)
    RUNNERS[stage.kind](stage, recipe, root, folder)
