"""Which parameter is updated how."""

from __future__ import annotations

import torch
from torch import nn

from rediff.training.muon import Muon
from rediff.training.optimisation import Optimisation

NOT_HIDDEN = ("embed_tokens", "position_embedding", "lm_head")


def build_optimizer(model: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """Muon or AdamW over the parameters that are trained.

    Hidden matrices at `lr`, with `weight_decay`; embeddings, head, norms and biases at `other_lr`;
    the vision tower's parameters at `vision_lr` where that is given.
    """
    groups = parameter_groups(model, settings)
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "muon":
        assert settings.vision_lr is None, "Muon has one rate for all matrices"
        matrices, others = (groups.get(name, []) for name in ("matrices", "others"))
        optimizer = Muon(
            matrices,
            others,
            lr=settings.lr,
            other_lr=settings.other_lr,
            weight_decay=settings.weight_decay,
        )
    else:
        rates = {"matrices": settings.lr, "others": settings.other_lr, "vision": settings.vision_lr}
        optimizer = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": rates[name],
                    "weight_decay": settings.weight_decay if name == "matrices" else 0.0,
                }
                for name, parameters in groups.items()
            ],
            lr=settings.lr,
            betas=(0.9, 0.95),
        )
    optimizer.register_step_pre_hook(fill_gradients)
    return optimizer


def fill_gradients(optimizer: torch.optim.Optimizer, *_: object) -> None:
    """Gives parameters that the forward pass did not use a gradient of zero.

    Without one they have no state, and a state that is saved in parts must have that of every
    parameter to be read again. They have no momentum before the first use, so they stay as they
    are but for the weight decay.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)


def parameter_groups(model: nn.Module, settings: Optimisation) -> dict[str, list[nn.Parameter]]:
    """The trained parameters that share a rate, by its name."""
    groups: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if settings.vision_lr is not None and "vision_tower" in name.split("."):
            group = "vision"
        elif parameter.ndim >= 2 and not any(part in name for part in NOT_HIDDEN):
            group = "matrices"
        else:
            group = "others"
        groups.setdefault(group, []).append(parameter)
    return groups
