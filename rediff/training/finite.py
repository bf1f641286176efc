"""Ends a training whose loss, gradients or weights are not finite, and says where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

LISTED = 8
"""Rows that an error names at most."""


class NotFiniteError(RuntimeError):
    """A loss, gradient or result is not finite; no weight was updated by it."""


def not_finite(what: str, step: int, rows: Sequence[str]) -> NotFiniteError:
    """The error that names the value that is not finite, the step, and its rows."""
    shown = ", ".join(rows[:LISTED]) + (f" and {len(rows) - LISTED} more" * (len(rows) > LISTED))
    return NotFiniteError(
        f"the {what} is not finite at step {step}, so training ends here; rows of the step:"
        f" {shown}. Try a lower learning rate, or look at these rows"
    )


class FiniteGradients(TrainerCallback):
    """Raises NotFiniteError before the optimiser takes gradients that are not finite."""

    def __init__(self, rows_of_step: Callable[[], list[str]]) -> None:
        self.rows_of_step = rows_of_step

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        gradients = [p.grad for p in kwargs["model"].parameters() if p.grad is not None]
        if not all_finite(gradients):
            raise not_finite("gradient", state.global_step + 1, self.rows_of_step())


def all_finite(tensors: Sequence[Tensor]) -> bool:
    """Whether all numbers are finite; of sharded tensors, those of this process."""
    own = [t.to_local() if isinstance(t, DTensor) else t for t in map(Tensor.detach, tensors)]
    filled = [tensor for tensor in own if tensor.numel()]
    return not filled or bool(torch.stack(torch._foreach_norm(filled)).isfinite().all())
