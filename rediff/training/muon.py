"""Muon in 32-bit arithmetic, with AdamW for all parameters but hidden matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

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
            trained = [p for p in group["params"] if p.grad is not None]
            if group["muon"]:
                for alike in _alike(trained):
                    self._muon(alike, group)
            else:
                for parameter in trained:
                    self._adamw(parameter, group)

    def _muon(self, alike: Sequence[nn.Parameter], group: dict[str, Any]) -> None:
        """Matrices of one shape together, since small ones take as long as the calls."""
        directions = orthogonalise(torch.stack([self._direction(p, group) for p in alike]))
        scale = max(1.0, directions.size(1) / directions.size(2)) ** 0.5
        for parameter, direction in zip(alike, directions, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(direction.view_as(parameter), alpha=-group["lr"] * scale)

    def _direction(self, parameter: nn.Parameter, group: dict[str, Any]) -> Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        return parameter.grad.lerp(state["momentum"], group["momentum"]).flatten(1)

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


def _alike(parameters: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """The parameters by shape, dtype and device."""
    alike: dict[tuple[object, ...], list[nn.Parameter]] = {}
    for parameter in parameters:
        kind = (parameter.shape, parameter.dtype, parameter.device)
        alike.setdefault(kind, []).append(parameter)
    return list(alike.values())


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Matrices [N, n, m] with the singular vectors of `matrices` and singular values near 1."""
    a, b, c = _COEFFICIENTS
    tall = matrices.size(1) > matrices.size(2)
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
