"""Weights, gradients and optimiser states shared out over the processes, in one of two ways."""

from __future__ import annotations

import os
from typing import Any, Literal

from torch import Tensor, nn

from rediff.training.distributed import process_group
from rediff.training.sharding import fsdp2, zero3

Sharding = Literal["fsdp2", "zero3"]
"""FSDP2 of torch, by accelerate; ZeRO-3 of DeepSpeed (arXiv 1910.02054)."""


def sharding(how: Sharding, model: nn.Module) -> dict[str, Any]:
    """transformers' arguments that share out a model.

    Args:
        how: `fsdp2` or `zero3`.
        model: names the layers that are shared out.

    Raises:
        ValueError: where DeepSpeed is wanted and missing.
    """
    return fsdp2.arguments(model) if how == "fsdp2" else zero3.arguments()


def forget() -> None:
    """Lets models that are loaded and trained from here on be whole: transformers keeps it in mind
    that they are shared out, accelerate in the environment."""
    zero3.forget()
    for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"):
        os.environ.pop(name, None)


def gather_weights(model: nn.Module) -> dict[str, Tensor]:
    """All weights whole, on the CPU: in the first process; the others, which must call this as
    well, get none."""
    first, gathered = process_group().is_main_process, {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        whole = zero3.whole(tensor) if zero3.is_part(tensor) else fsdp2.whole(tensor)
        if first:
            gathered[name] = whole.detach().cpu()
    return gathered
