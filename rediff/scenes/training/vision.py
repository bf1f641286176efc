"""The stage `vision`: a tiny model from scratch, whose patches of a picture are aligned with
words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import model_validator
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.scenes.training.data import tiny_checkpoint
from rediff.scenes.training.word_alignment import LabelledCells, WordAlignment, collate_cells
from rediff.scenes.world import Scene
from rediff.training.collator import Batch
from rediff.training.data import RecipeSettings
from rediff.training.data_order import ScheduledRow
from rediff.training.distributed import on_main_process
from rediff.training.optimisation import Optimisation
from rediff.training.planning import PlannedStage, Planner
from rediff.training.stages.base import MODEL, Makes, Run, Stage, register_stage
from rediff.training.trainer import OwnOptimizerTrainer, fit


@register_stage("vision")
class VisionStage(Stage):
    """Aligns vision tower, projector and word embeddings, in place of a pretrained SigLIP."""

    kind: Literal["vision"] = "vision"
    optimisation: Optimisation

    makes: ClassVar[Makes] = "model"

    @model_validator(mode="after")
    def _whole(self) -> VisionStage:
        if self.optimisation.shard:
            raise ValueError("a vision stage takes no 'shard': its model is small")
        return self

    def run(self, run: Run) -> None:
        checkpoint = tiny_checkpoint(run.recipe)
        items = run.items("captions", checkpoint.config.prompt)
        pixels = [checkpoint.image_batch([item.open()]).tiles[0] for item in items]
        scenes = [item.known for item in items if isinstance(item.known, Scene)]
        alignment = WordAlignment(checkpoint)
        fit(
            OwnOptimizerTrainer,
            alignment,
            LabelledCells(pixels, scenes),
            _collate,
            self.optimisation,
            run.folder,
            seed=self.seed,
        )
        alignment.scale_features(torch.stack(list(pixels[:256])))
        on_main_process(lambda: checkpoint.save(run.folder / MODEL))

    def estimate(self, name: str, planner: Planner) -> PlannedStage:
        return PlannedStage(name, self.kind, steps=self.optimisation.steps)

    def network(self, recipe: RecipeSettings) -> LlavaOnevisionForConditionalGeneration:
        with torch.device("meta"):
            return tiny_checkpoint(recipe).model


def _collate(rows: Sequence[ScheduledRow[tuple[torch.Tensor, torch.Tensor]]]) -> Batch:
    return collate_cells([scheduled.row for scheduled in rows])
