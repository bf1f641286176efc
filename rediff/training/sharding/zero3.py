"""Sharing out by DeepSpeed's ZeRO-3."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.integrations import is_deepspeed_available, unset_hf_deepspeed_config


def arguments() -> dict[str, Any]:
    """transformers' arguments that share out a model, with an optimiser of our own.

    Weights stay as they are: autocast rounds within the forward pass, as it does for whole ones,
    where DeepSpeed's own bfloat16 would keep the weights rounded. Raises ValueError where DeepSpeed
    is not installed.
    """
    if not is_deepspeed_available():
        raise ValueError("shard: zero3 needs DeepSpeed: pip install 'rediff[zero3]'")
    return {
        "deepspeed": {
            "zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": False},
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "bf16": {"enabled": False},
            "gradient_clipping": "auto",
            "gradient_accumulation_steps": "auto",
            "train_micro_batch_size_per_gpu": "auto",
            "train_batch_size": "auto",
        }
    }


def is_part(tensor: Tensor) -> bool:
    """Whether DeepSpeed has partitioned a tensor."""
    return hasattr(tensor, "ds_id")


def whole(tensor: Tensor) -> Tensor:
    """The whole of a partitioned tensor; all processes must call this."""
    import deepspeed

    with deepspeed.zero.GatheredParameters([tensor]):
        return tensor.detach().clone()


def forget() -> None:
    """Lets models that are loaded from here on be whole."""
    unset_hf_deepspeed_config()
