"""The stage `expert`: corrections of the drafts, by a model or an oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import model_validator

from rediff.llm_client.prices import PICTURE_TOKENS, dollars, load_prices
from rediff.plugins import TRAINING, Registry
from rediff.training.draft_records import (
    CORRECTIONS,
    COST,
    DRAFTS,
    Correction,
    Cost,
    Draft,
    read_lines,
    write_lines,
)
from rediff.training.edits import changes
from rediff.training.estimate import estimate_decoding
from rediff.training.items import Item
from rediff.training.planning import PlannedStage, Planner
from rediff.training.stages.base import Data, Makes, Run, Stage, register_stage
from rediff.training.stages.drafts import DraftsStage
from rediff.training.stages.experts.settings import Server

EXPERT_IN, EXPERT_OUT = 500, 700
"""Tokens of an expert's prompt with both texts, and of its reply with some reasoning."""


@register_stage("expert")
class ExpertStage(Stage):
    """Corrections of drafts by an expert.

    `expert`: its registered name. `oracle` knows the scene. `weak` is an oracle about a scene in
    which each fact is wrong with probability `error_rate`. `self` uses no expert: the full-step
    decode of `start` by `sampler` is the target. `server` is a model on a server, shown the
    picture, its right answer and the draft; it is asked by one process, so start such a stage
    alone and not with torchrun.
    """

    kind: Literal["expert"] = "expert"
    drafts: str
    data: Data = ("captions",)
    expert: str = "oracle"
    server: Server | None = None
    error_rate: float = 0.0
    start: str | None = None
    sampler: str = "refine"

    makes: ClassVar[Makes] = "corrections"
    needs_denoiser: ClassVar[bool] = True

    @model_validator(mode="after")
    def _whole(self) -> ExpertStage:
        wanted = EXPERTS[self.expert].field
        for name, expert in EXPERTS.items():
            if expert.field and bool(getattr(self, expert.field)) != (expert.field == wanted):
                raise ValueError(f"{expert.field!r} belongs to the expert {name!r} and to no other")
        return self

    def run(self, run: Run) -> None:
        drafts = list(read_lines(run.root / self.drafts / DRAFTS, Draft))
        items = run.items_of(drafts, self.data, run.prompt_of(self.drafts))
        EXPERTS[self.expert].correct(self, run, drafts, items)

    def estimate(self, name: str, planner: Planner) -> PlannedStage:
        drafts = planner.stages[self.drafts]
        if not isinstance(drafts, DraftsStage):
            return PlannedStage(name, self.kind)
        calls = drafts.pictures * len(drafts.data) * len(drafts.tokens_per_step)
        if self.start is not None:  # the model itself, a token a step
            tokens = calls * planner.canvas * planner.row.tokens
            return estimate_decoding(name, self.kind, planner, planner.canvas, tokens)
        if self.server is None:
            return PlannedStage(name, self.kind)
        asked, replied = calls * (PICTURE_TOKENS + EXPERT_IN), calls * EXPERT_OUT
        price = load_prices().get(self.server.model)
        cost = dollars(price, asked, replied, batch=self.server.batch)
        return PlannedStage(name, self.kind, calls=calls, dollars=cost)


Correct = Callable[[ExpertStage, Run, Sequence[Draft], Mapping[str, Item]], None]
"""Writes the corrections of drafts, whose items are given by id, to the stage's folder."""


@dataclass(frozen=True, slots=True)
class Expert:
    """An expert. `field`: the setting of the stage that this expert alone needs, if there is
    one."""

    correct: Correct
    field: str | None = None


EXPERTS = Registry[Expert]("expert", TRAINING)


def register_expert(name: str, *, field: str | None = None) -> Callable[[Correct], Correct]:
    """Registers an expert: decorates the function that corrects drafts, in all processes.

    Args:
        name: its name in recipes.
        field: the field of the stage that this expert needs, or None.

    Returns:
        The decorator; the function ends by `write_corrections`.
    """

    def decorate(correct: Correct) -> Correct:
        EXPERTS.add(name, Expert(correct, field), module=correct.__module__)
        return correct

    return decorate


def write_better(
    folder: Path, drafts: Sequence[Draft], better: Sequence[Sequence[str]], nfe: int
) -> None:
    """Writes the corrections that turn drafts into other texts.

    Args:
        folder: of the stage.
        drafts: as they were written.
        better: the words of a better text for each, as many.
        nfe: forward passes that these took.
    """
    corrections = [
        Correction.of(draft, changes(draft.words, words))
        for draft, words in zip(drafts, better, strict=True)
    ]
    write_corrections(folder, corrections, Cost(nfe=nfe))


def write_corrections(folder: Path, corrections: Sequence[Correction], cost: Cost) -> None:
    """Writes an expert's corrections of all drafts.

    Args:
        folder: of the stage.
        corrections: in the order of the drafts.
        cost: calls, tokens and dollars, or passes of a model.
    """
    write_lines(folder / CORRECTIONS, corrections)
    write_lines(folder / COST, [cost])
