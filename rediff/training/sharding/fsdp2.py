"""Sharing out by torch's FSDP2, through accelerate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.distributed.tensor import DTensor


def arguments(model: nn.Module) -> dict[str, Any]:
    """transformers' arguments that share out a model layer by layer."""
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "reshard_after_forward": True,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "transformer_layer_cls_to_wrap": layer_classes(model),
            "state_dict_type": "SHARDED_STATE_DICT",
        },
        # Whole gradients of all layers would have to be kept until the last micro-batch.
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}},
    }


def layer_classes(model: nn.Module) -> list[str]:
    """The classes of the layers that a model's towers stack, which are gathered one at a time."""
    stacks = (m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m))
    return sorted({type(layer).__name__ for stack in stacks for layer in stack})


def share_out(accelerator: Accelerator, plugin: Mapping[str, Any]) -> None:
    """Has accelerate share out on CPUs, too, which it does between accelerators alone.

    Gradients are gathered and reduced in float32: autocast rounds within the forward pass, as it
    does
    for whole weights.

    Args:
        accelerator: changed in place.
        plugin: arguments of accelerate's plug-in, as transformers' arguments have them.
    """
    state = accelerator.state
    if state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type = DistributedType.FSDP
        state.fsdp_plugin = FullyShardedDataParallelPlugin(**plugin)
    state.fsdp_plugin.mixed_precision_policy = MixedPrecisionPolicy()


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be shared out; all processes must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
