"""The configuration of captioning: models, samplers and budgets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rediff.captioners.base import Capabilities, Decoding
from rediff.captioners.sources import ModelSource

AUTOREGRESSIVE = "autoregressive"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptioningConfig:
    """Models, samplers and budgets of a run, and how the work is done.

    Where `samplers` or `steps` are empty, each model's own and the task's hold. `guidance`: scale
    of classifier-free guidance. `batch_size`: pictures at once. `keep_traces`: how many samples,
    the first ones, keep their denoising steps. `worker_timeout`: seconds that the leading process
    waits once no other is at work.
    """

    models: tuple[ModelSource, ...]
    samplers: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    guidance: float = 0.0
    batch_size: int = 16
    keep_traces: int = 8
    worker_timeout: float = 60.0

    def __post_init__(self) -> None:
        Decoding(guidance=self.guidance)  # refuses a scale that is not finite


@dataclass(frozen=True, slots=True)
class Condition:
    """One model with one sampler at one budget; no budget where the model has no steps.

    `key`: under which its captions are stored.
    """

    model: str
    sampler: str
    steps: int | None
    tokens_per_step: float | None
    key: str = ""

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"{self.model} {self.sampler}" + (f" {self.steps} steps" if self.steps else "")


def conditions_of(
    config: CaptioningConfig,
    source: ModelSource,
    capabilities: Capabilities,
    tokens_per_step: tuple[int, ...],
) -> Iterator[Condition]:
    """The conditions of one model, without their keys.

    Args:
        config: the samplers and steps that were asked for.
        source: the model.
        capabilities: of its captioner.
        tokens_per_step: the task's budgets.

    Raises:
        ValueError: for more steps than the model writes tokens, or for a sampler if the model takes
            none of ours.
    """
    if source.sampler and not capabilities.takes_samplers:
        raise ValueError(
            f"{source.name} decodes in its own way ({capabilities.sampler}), not with our samplers"
        )
    samplers: tuple[str, ...] = (capabilities.sampler,)
    if capabilities.takes_samplers:
        samplers = (source.sampler,) if source.sampler else config.samplers or samplers
    for sampler in samplers:
        for steps in _budgets(config, source, capabilities, tokens_per_step):
            length = capabilities.length
            budget = None if steps is None or length is None else length / steps
            yield Condition(source.name, sampler, steps, budget)


def _budgets(
    config: CaptioningConfig,
    source: ModelSource,
    capabilities: Capabilities,
    tokens_per_step: tuple[int, ...],
) -> tuple[int | None, ...]:
    length = capabilities.length
    if not capabilities.takes_steps:
        return (length if capabilities.kind == AUTOREGRESSIVE else None,)
    if capabilities.steps is not None:
        return config.steps or (capabilities.steps,)
    assert length is not None
    for steps in config.steps:
        if not 0 < steps <= length:
            raise ValueError(
                f"{steps} steps: {source.name} writes {length} tokens, at least one a step"
            )
    return config.steps or tuple(length // tokens for tokens in tokens_per_step)
