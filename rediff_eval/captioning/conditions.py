"""Cells: what a run is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rediff.captioners.base import Traits
from rediff_eval.captioning.models import ModelChoice
from rediff_eval.spec import RunSpec

AUTOREGRESSIVE = "autoregressive"


@dataclass(frozen=True, slots=True)
class Cell:
    """One model with one sampler at one budget; no budget where the model has no steps.

    `key`: what its captions are kept under.
    """

    model: str
    sampler: str
    steps: int | None
    tokens_per_step: float | None
    key: str = ""

    @property
    def title(self) -> str:
        return f"{self.model} {self.sampler}" + (f" {self.steps} steps" if self.steps else "")


def plan_cells(spec: RunSpec, model: ModelChoice, traits: Traits) -> Iterator[Cell]:
    """The cells of one model, without their keys.

    Raises ValueError for more steps than the model writes tokens, or for a sampler where the model
    takes none of ours.
    """
    if model.sampler and not traits.takes_samplers:
        raise ValueError(
            f"{model.name} decodes in its own way ({traits.sampler}), not with a sampler of ours"
        )
    samplers: tuple[str, ...] = (traits.sampler,)
    if traits.takes_samplers:
        samplers = (model.sampler,) if model.sampler else spec.samplers or samplers
    for sampler in samplers:
        for steps in _budgets(spec, model, traits):
            yield Cell(model.name, sampler, steps, _tokens_per_step(traits, steps))


def _budgets(spec: RunSpec, model: ModelChoice, traits: Traits) -> tuple[int | None, ...]:
    if not traits.takes_steps:
        return (traits.length if traits.kind == AUTOREGRESSIVE else None,)
    if traits.steps is not None:
        return spec.steps or (traits.steps,)
    assert traits.length is not None
    for steps in spec.steps:
        if not 0 < steps <= traits.length:
            raise ValueError(
                f"{steps} steps: {model.name} writes {traits.length} tokens, at least one a step"
            )
    return spec.steps or tuple(traits.length // tokens for tokens in spec.task.tokens_per_step)


def _tokens_per_step(traits: Traits, steps: int | None) -> float | None:
    return None if steps is None or traits.length is None else traits.length / steps
