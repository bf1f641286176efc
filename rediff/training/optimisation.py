"""Settings of one optimisation run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rediff.training.sharding import Sharding
from rediff.training.strict import Strict


class Lora(Strict):
    """Low-rank updates W + (alpha / rank) B A of the text model's linear layers (arXiv 2106.09685),
    added to the weights at the end of the stage."""

    rank: int = Field(default=64, gt=0)
    alpha: int = 128
    dropout: float = 0.0


class Optimisation(Strict):
    """One optimisation run. `lr` is for hidden matrices, `other_lr` for everything else.
    `weight_decay`: a step multiplies hidden matrices by 1 - `lr` `weight_decay`.

    `batch_size`: rows of a global batch. `micro_batch`: rows of one forward pass on one device,
    None for as many as come to it; the rest is accumulated. `vision_lr`: for the vision tower,
    None for the same as elsewhere. `precision`: of the forward pass; weights and optimiser stay as
    they were loaded. `gradient_checkpointing`: keeps the inputs of layers alone
    and computes the rest again. `group_by_length`: see `Schedule`. `workers`: processes that open
    pictures ahead. `lora`: trains low-rank updates and nothing else; the weights they are added to
    are kept in `precision`. `shard`: each process keeps a part of the weights, gradients and
    optimiser states, by FSDP2 or by ZeRO-3; with one process it changes nothing.

    `freeze`: modules of the model that are not trained. Updates of Muon and Adam do not shrink
    with the gradient, so at these rates a tower that has nothing to learn is soon scrambled.
    """

    steps: int
    batch_size: int = 64
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: float = 0.02
    other_lr: float = 3e-3
    schedule: Literal["cosine", "constant_with_warmup"] = "cosine"
    warmup: float = 0.03
    max_grad_norm: float = 1.0
    freeze: tuple[str, ...] = ("vision_tower", "multi_modal_projector")
    save_every: int = 200
    weight_decay: float = Field(default=0.0, ge=0)
    vision_lr: float | None = None
    micro_batch: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    group_by_length: bool = False
    workers: int = 0
    lora: Lora | None = None
    shard: Sharding | None = None

    @model_validator(mode="after")
    def _one_rate(self) -> Optimisation:
        if self.optimizer == "muon" and self.vision_lr is not None:
            raise ValueError("'vision_lr' needs the optimizer adamw: muon has one rate for all")
        return self

    @model_validator(mode="after")
    def _can_be_shared_out(self) -> Optimisation:
        if self.shard and (self.optimizer == "muon" or self.lora is not None):
            raise ValueError("'shard' needs the optimizer adamw, and no 'lora'")
        return self
