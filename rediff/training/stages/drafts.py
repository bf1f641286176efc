"""The stage `drafts`: the model's own captions of, or answers about, training pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rediff.captioners.autoregressive import GREEDY
from rediff.models.prefix_attention import has_prefix_attention
from rediff.training.draft_records import DRAFTS
from rediff.training.drafting import (
    AS_AUTOREGRESSIVE,
    LEFT_TO_RIGHT,
    DraftRequest,
    draft_all,
    drafter_of,
)
from rediff.training.estimate import estimate_decoding
from rediff.training.items import Item
from rediff.training.planning import PlannedStage, Planner
from rediff.training.stages.base import Data, Makes, RecipeParts, Run, Stage, register_stage


@register_stage("drafts")
class DraftsStage(Stage):
    """Drafts by a checkpoint with a sampler, the same pictures at every budget.

    An autoregressive checkpoint drafts too, with `sampler: greedy` and `tokens_per_step: [1]`;
    `ties`: of the words at least this times as likely as the likeliest it always takes the same one
    (see `FirstOfTies`), which makes a teacher that is easier to follow.
    `pictures`: how many of each of the data, or as many as there are, after the first `skip`, so
    that two stages can share them. Of a picture's questions, one is asked.
    """

    kind: Literal["drafts"] = "drafts"
    start: str
    data: Data = ("captions",)
    sampler: str = "refine"
    tokens_per_step: tuple[Annotated[int, Field(gt=0)], ...]
    pictures: int
    ties: float | None = Field(default=None, gt=0, le=1)
    skip: int = Field(default=0, ge=0)
    batch_size: int = Field(default=32, gt=0)

    makes: ClassVar[Makes] = "drafts"
    further_samplers: ClassVar[tuple[str, ...]] = (GREEDY,)

    def problem(self, recipe: RecipeParts) -> str | None:
        kind = recipe.stages[self.start].model_kind
        if kind == "autoregressive" and (self.sampler, self.tokens_per_step) != LEFT_TO_RIGHT:
            return f"{self.start!r} is an autoregressive model, which drafts {AS_AUTOREGRESSIVE}"
        if kind == "diffusion" and self.sampler == GREEDY:
            return f"{GREEDY!r} is how autoregressive models draft, and {self.start!r} is none"
        if kind == "diffusion" and self.ties is not None:
            return f"`ties` are of autoregressive models, and {self.start!r} is none"
        if (most := max(self.tokens_per_step)) > recipe.canvas:
            return f"{most} tokens per step are more than the {recipe.canvas} of the canvas"
        return None

    def run(self, run: Run) -> None:
        checkpoint = run.decoder(self.start)
        items = [
            item for name in self.data for item in self._chosen(run, name, checkpoint.config.prompt)
        ]
        requests = [
            DraftRequest(item, item.asked, budget)
            for budget in self.tokens_per_step
            for item in items
        ]
        drafter = drafter_of(
            checkpoint, self.sampler, self.tokens_per_step, self.batch_size, self.ties
        )
        draft_all(drafter, requests, run.folder, run.folder / DRAFTS)

    def _chosen(self, run: Run, name: str, prompt: str) -> Sequence[Item]:
        items = run.items(name, prompt)
        if self.skip >= len(items):
            raise ValueError(
                f"skip: {self.skip} leaves none of the {len(items)} pictures of {name}"
            )
        return items[self.skip : self.skip + self.pictures]

    def estimate(self, name: str, planner: Planner) -> PlannedStage:
        passes = sum(planner.canvas // budget for budget in self.tokens_per_step)
        tokens = passes * planner.row.tokens
        if self.sampler == GREEDY:  # every token once
            tokens = planner.row.tokens
        elif has_prefix_attention(planner.network):  # every prompt once for each budget
            tokens = passes * planner.canvas + len(self.tokens_per_step) * planner.row.tokens
        tokens *= self.pictures * len(self.data)
        return estimate_decoding(name, self.kind, planner, passes, tokens)
