"""The stage `correct`: Stage II of ReDiff, online self-correction."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import model_validator

from rediff.models.checkpoint import Checkpoint
from rediff.training.draft_records import CORRECTIONS, Correction, read_lines
from rediff.training.examples import ExampleMaker, Examples
from rediff.training.held_out import hold_out
from rediff.training.learning import LearningRows, rows_of_data
from rediff.training.objectives import MaskRatio
from rediff.training.self_correction import SelfCorrection
from rediff.training.stages.base import Run, register_stage
from rediff.training.stages.revise import RevisingStage


@register_stage("correct")
class CorrectStage(RevisingStage):
    """Stage II, online self-correction, on corrections of the model's own drafts.

    `corrections`: a stage that makes them, or several; None: the edits of `data` are those of
    drafts. `stage1_share`: share of each batch that is Stage I data. `masked_share`: share of the
    drafts that are partly masked too, as drafts are while they are decoded. `trust_masks`: whether
    the corrected draft is also the answer at its masks (see `SelfCorrection`). `loss_weights`: the
    paper trains on the corrected segments alone (`keep: 0`), which unlearns to keep right words.
    """

    kind: Literal["correct"] = "correct"
    corrections: str | tuple[str, ...] | None = None
    stage1_share: float = 0.25
    masked_share: float = 0.0
    trust_masks: bool = True
    suffix_share: float = 0.5

    @model_validator(mode="after")
    def _ungrouped(self) -> CorrectStage:
        if self.corrections is not None and self.optimisation.group_by_length:
            raise ValueError("'group_by_length' groups data, and not 'corrections' of drafts")
        return self

    def run(self, run: Run) -> None:
        checkpoint = self.load_start(run)
        stage1 = self.foundational_revision(run, checkpoint, MaskRatio())
        objective = SelfCorrection(
            checkpoint.ids, stage1, self.stage1_share, self.masked_share, self.trust_masks
        )
        self.learn(run, checkpoint, objective, self._rows(run, checkpoint))

    def _rows(self, run: Run, checkpoint: Checkpoint) -> LearningRows:
        maker = ExampleMaker(checkpoint, run.recipe.canvas, longest=self.longest)
        if self.corrections is None:
            return rows_of_data(self, run, checkpoint, maker, maker.drafted)
        named = (self.corrections,) if isinstance(self.corrections, str) else self.corrections
        corrections = [
            correction
            for stage in named
            for correction in read_lines(run.root / stage / CORRECTIONS, Correction)
        ]
        drafts = (correction.draft for correction in corrections)
        items = run.items_of(drafts, self.data, checkpoint.config.prompt)
        make, keep = partial(maker.corrected, items=items), all(map(run.keeps, self.data))
        if self.validation is None:
            return LearningRows(Examples(corrections, make, keep=keep))
        ((learnt, held),) = hold_out([corrections], self.validation.share)
        return LearningRows(Examples(learnt, make, keep=keep), held=Examples(held, make, keep=keep))
