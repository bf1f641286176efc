"""Which parameter is updated how."""

from __future__ import annotations

import torch
from torch import nn

from rediff.training.muon import Muon
from rediff.training.optimisation import Optimisation

NOT_HIDDEN = ("embed_tokens", "position_embedding", "lm_head")


def build_optimizer(model: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """Muon or AdamW without weight decay, over the parameters that are trained.

    Hidden matrices at `lr`; embeddings, head, norms and biases at `other_lr`; the vision tower's
    parameters at `vision_lr` where that is given.
    """
    groups = parameter_groups(model, settings)
    if settings.optimizer == "muon":
        assert settings.vision_lr is None, "Muon has one rate for all matrices"
        matrices, others = (groups.get(name, []) for name in ("matrices", "others"))
        return Muon(matrices, others, lr=settings.lr, other_lr=settings.other_lr)
    rates = {"matrices": settings.lr, "others": settings.other_lr, "vision": settings.vision_lr}
    return torch.optim.AdamW(
        [{"params": parameters, "lr": rates[name]} for name, parameters in groups.items()],
        lr=settings.lr, betas=(0.9, 0.95), weight_decay=0.0,
    )  # fmt: skip


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
