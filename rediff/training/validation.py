"""The loss on rows that a training does not learn from, and how it can end the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rediff.training.strict import Strict

METRIC = "validation"
"""The loss on these rows, in logs."""


class Validation(Strict):
    """The loss on pictures that are held out, on the way.

    `share`: of the pictures, with all their rows. `every`: steps between two validations.
    `patience`: the training ends when as many validations in a row were no better than the best
    one, and the weights of that one are kept; None: it goes to its last step, whose weights are
    kept.
    """

    share: float = Field(default=0.1, gt=0, lt=1)
    every: int = Field(default=100, gt=0)
    patience: int | None = Field(default=None, gt=0)


class Patience(TrainerCallback):
    """Ends a training whose validations have not become better for a number of them.

    It keeps nothing of its own, so a training that resumes ends where an uninterrupted one does.
    """

    def __init__(self, settings: Validation) -> None:
        self.settings = settings

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        assert metrics is not None
        assert self.settings.patience is not None
        if state.best_metric is None or metrics[f"eval_{METRIC}"] < state.best_metric:
            return
        best = state.best_global_step or 0
        waited = (state.global_step - best) // self.settings.every
        control.should_training_stop = waited >= self.settings.patience


def patience(settings: Validation | None) -> list[TrainerCallback]:
    """The callback of settings that have patience; none for others.

    Args:
        settings: of a stage.
    """
    return [Patience(settings)] if settings is not None and settings.patience else []
