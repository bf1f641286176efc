"""Weights that are spread over processes, put together again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.tensor import DTensor

from rediff.models.checkpoint import Checkpoint
from rediff.training.processes import join


def save_trained(checkpoint: Checkpoint, folder: Path) -> None:
    """Saves a trained checkpoint as one process would have; all processes must call it."""
    network = checkpoint.model
    weights: dict[str, Any] | None = None
    if any(isinstance(parameter, DTensor) for parameter in network.parameters()):
        whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(network, options=whole)
    if join().is_main_process:
        checkpoint.save(folder, weights=weights)
    join().wait_for_everyone()
