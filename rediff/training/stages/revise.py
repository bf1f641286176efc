"""The stage `revise`: Stage I of ReDiff, foundational revision."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from rediff.models.checkpoint import Checkpoint
from rediff.training.data import fact_vocabulary
from rediff.training.examples import ExampleMaker
from rediff.training.foundational_revision import FoundationalRevision
from rediff.training.learning import (
    LearningRows,
    LearningStage,
    LossWeights,
    rows_of_data,
    train_checkpoint,
)
from rediff.training.losses import Weighting
from rediff.training.objectives import MaskRatio, Objective
from rediff.training.self_drafts import SelfDrafts
from rediff.training.stages.base import Run, register_stage


class RevisingStage(LearningStage):
    """The errors that both revision stages inject into true responses.

    Section 3.1 of arXiv 2510.19871.

    `syntax_rate`, `hallucination_rate`: see `inject_errors`. `repetition_rate`, beyond the paper:
    see `FoundationalRevision`. `self_drafts`, beyond the paper: the model itself writes words in
    place of random ones, in so many passes of each step, see `SelfDrafts`. `error_weight`, beyond
    the paper: of the loss by which the model learns to detect errors, see `ErrorLoss`.
    `suffix_share`: see `mask_tokens`. `loss_weights`: by role of a position, 1 where none is given
    (see `weights_of`).
    """

    syntax_rate: float = 0.1
    hallucination_rate: float = 0.1
    repetition_rate: float = Field(default=0.0, ge=0, le=1)
    self_drafts: int = Field(default=0, ge=0, le=8)
    error_weight: float = Field(default=0.0, ge=0)
    suffix_share: float = 0.0
    loss_weights: LossWeights = Field(default_factory=dict)

    def foundational_revision(
        self, run: Run, checkpoint: Checkpoint, levels: MaskRatio, *, tied: bool = False
    ) -> FoundationalRevision:
        """The Stage I objective with these rates. Raises as that."""
        return FoundationalRevision(
            checkpoint.ids,
            torch.tensor(checkpoint.word_ids),
            fact_vocabulary(run.registered(self.data), checkpoint),
            levels,
            self.syntax_rate,
            self.hallucination_rate,
            self.suffix_share,
            tied,
            self.repetition_rate,
            self.self_drafts > 0,
        )

    @property
    def draft_passes(self) -> int:
        return self.self_drafts

    def learn(
        self,
        run: Run,
        checkpoint: Checkpoint,
        objective: Objective,
        rows: LearningRows,
        *,
        weighting: Weighting = "uniform",
    ) -> None:
        """Trains the checkpoint with these weights and drafts. Arguments and errors as for
        `train_checkpoint`."""
        train_checkpoint(
            self,
            run,
            checkpoint,
            objective,
            rows,
            weights=self.loss_weights,
            weighting=weighting,
            self_drafts=SelfDrafts(checkpoint.ids, self.self_drafts) if self.self_drafts else None,
            error_weight=self.error_weight,
        )


@register_stage("revise")
class ReviseStage(RevisingStage):
    """Stage I, foundational revision: masks, random tokens and false facts to restore, and what is
    right to keep.

    `tied`: all rates grow with the mask ratio (see `FoundationalRevision`). `levels`, `power`: see
    `MaskRatio`.
    """

    kind: Literal["revise"] = "revise"
    tied: bool = False
    levels: tuple[float, float] = (0.0, 1.0)
    power: float = 1.0
    weighting: Weighting = "uniform"

    def run(self, run: Run) -> None:
        checkpoint = self.load_start(run)
        levels = MaskRatio(*self.levels, self.power)
        objective = self.foundational_revision(run, checkpoint, levels, tied=self.tied)
        maker = ExampleMaker(checkpoint, run.recipe.canvas, longest=self.longest)
        rows = rows_of_data(self, run, checkpoint, maker, maker)
        self.learn(run, checkpoint, objective, rows, weighting=self.weighting)
