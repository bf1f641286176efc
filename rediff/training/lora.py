"""Low-rank updates of the text model, by peft."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from rediff.training.optimisation import Lora

NAME = "lora_"
"""The part of a parameter's name that marks the updates."""
TARGETS = r".*language_model\.layers\.\d+\..*_proj"
"""Names of the linear layers that take updates."""


def add_lora(network: nn.Module, settings: Lora, *, seed: int) -> Any:
    """Puts low-rank updates (float32) into the linear layers of the text model, in place.

    `merge_and_unload` of the returned network adds them to the weights and takes their layers out.
    Raises ImportError naming the line to run where peft is missing.
    """
    try:
        from peft import LoraConfig, LoraModel
    except ImportError as error:
        raise ImportError("low-rank updates need peft: pip install 'rediff[lora]'") from error
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=TARGETS,
    )
    return LoraModel(network, config, "default")
