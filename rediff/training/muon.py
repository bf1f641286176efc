"""Muon in 32-bit arithmetic, with AdamW for what is not a hidden matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by a Newton-Schulz iteration (Jordan et al. 2024).

    `torch.optim.Muon` iterates in bfloat16, which a CPU without bfloat16 arithmetic emulates some
    ten times slower; this one keeps the dtype of the gradient. Parameters outside `matrices`
    (embeddings, the head, norms, biases) go to AdamW, so that one object and one learning-rate
    schedule serve the Trainer. Group key `muon` distinguishes the two. `weight_decay` is decoupled
    and for `matrices` alone (Liu et al. 2025, arXiv 2502.16982): the size of an update does not
    depend on the weights', so as they grow without it every further stage changes less.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        *,
        lr: float,
        other_lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
    ) -> None:
        groups = [
            {"params": list(matrices), "lr": lr, "weight_decay": weight_decay, "muon": True},
            {"params": list(others), "lr": other_lr, "muon": False},
        ]
        super().__init__(groups, {"momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None, "Muon takes no closure"
        for group in self.param_groups:
            update = self._muon if group["muon"] else self._adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, group)

    def _muon(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        direction = parameter.grad.lerp(state["momentum"], group["momentum"]).flatten(1)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        scale = max(1.0, direction.size(0) / direction.size(1)) ** 0.5
        parameter.add_(orthogonalise(direction).view_as(parameter), alpha=-group["lr"] * scale)

    def _adamw(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        state = self.state[parameter]
        if "step" not in state:
            state |= {
                "step": 0,
                "mean": torch.zeros_like(parameter),
                "square": torch.zeros_like(parameter),
            }
        state["step"] += 1
        beta1, beta2 = group["betas"]
        state["mean"].lerp_(parameter.grad, 1 - beta1)
        state["square"].lerp_(parameter.grad.square(), 1 - beta2)
        mean = state["mean"] / (1 - beta1 ** state["step"])
        root = (state["square"] / (1 - beta2 ** state["step"])).sqrt()
        parameter.addcdiv_(mean, root + group["eps"], value=-group["lr"])


def orthogonalise(matrix: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """A matrix [n, m] with the singular vectors of `matrix` and singular values near 1."""
    a, b, c = _COEFFICIENTS
    wide = matrix if matrix.size(0) <= matrix.size(1) else matrix.T
    x = wide / (wide.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrix.size(0) <= matrix.size(1) else x.T
