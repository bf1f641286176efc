"""The stage `predict`: mask-prediction of true responses, or next-token prediction."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rediff.models.config import Kind
from rediff.training.data import fact_vocabulary
from rediff.training.examples import ExampleMaker
from rediff.training.learning import LearningStage, rows_of_data, train_checkpoint
from rediff.training.objectives import MaskedPrediction, MaskRatio, NextToken, Objective
from rediff.training.planning import Planner, RowSize
from rediff.training.stages.base import Run, register_stage


@register_stage("predict")
class PredictStage(LearningStage):
    """Mask-prediction (or, with `causal`, next-token prediction) of true responses.

    `canvas`: tokens of the canvas, the recipe's unless given. Single sentences on a short canvas
    bind the things of a picture to their words within minutes; whole captions alone never get
    there. `facts_only`: mask only the words that state facts, so that grounding is learnt before
    style; `facts_share`: in this share of the rows alone, so that it is not forgotten either.
    `levels`, `power`: see `MaskRatio`. `suffix_share`: see `mask_tokens`. `prefix_attention`:
    image and prompt do not see the response, in this stage alone. Otherwise image tokens learn to
    look for the words of the response that describe them, which a causal stage after it cannot
    use.
    """

    kind: Literal["predict"] = "predict"
    causal: bool = False
    canvas: int | None = None
    facts_only: bool = False
    facts_share: float = Field(default=0.0, ge=0, le=1)
    levels: tuple[float, float] = (0.0, 1.0)
    power: float = 1.0
    suffix_share: float = 0.0
    prefix_attention: bool = False
    weighting: Literal["uniform", "paper"] = "uniform"

    @model_validator(mode="after")
    def _fit_together(self) -> PredictStage:
        if self.causal and self.prefix_attention:
            raise ValueError("with 'causal', image and prompt see no response anyway")
        if self.facts_share and (self.causal or self.facts_only):
            raise ValueError("'facts_share' goes with neither 'causal' nor 'facts_only'")
        return self

    @property
    def model_kind(self) -> Kind:
        return "autoregressive" if self.causal else "diffusion"

    def run(self, run: Run) -> None:
        """Raises ValueError where only facts are to be masked and the data know none."""
        checkpoint = self.load_start(run)
        facts_share = 1.0 if self.facts_only else self.facts_share
        facts = fact_vocabulary(run.registered(self.data), checkpoint) if facts_share else None
        if facts_share and facts is None:
            name = "facts_only" if self.facts_only else "facts_share"
            raise ValueError(f"{name!r} takes data that say which words state facts")
        ids = checkpoint.ids
        objective: Objective = (
            NextToken(ids, facts)
            if self.causal
            else MaskedPrediction(
                ids, MaskRatio(*self.levels, self.power), facts, facts_share, self.suffix_share
            )
        )
        maker = ExampleMaker(checkpoint, self.canvas or run.recipe.canvas, longest=self.longest)
        rows = rows_of_data(self, run, checkpoint, maker, maker)
        train_checkpoint(
            self,
            run,
            checkpoint,
            objective,
            rows,
            weighting=self.weighting,
            prefix_attention=self.prefix_attention,
        )

    def row(self, planner: Planner) -> RowSize:
        return planner.row.on_canvas(self.canvas)
