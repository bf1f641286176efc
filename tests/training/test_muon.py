"""The optimiser orthogonalises, and learns."""

import pytest
import torch
from torch import nn

from rediff.training.muon import Muon, orthogonalise
from rediff.training.optimisation import Optimisation
from rediff.training.optimizers import build_optimizer


@pytest.mark.parametrize("shape", [(8, 8), (8, 32), (32, 8)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, *shape)
    made = orthogonalise(matrices)
    assert made.shape == matrices.shape
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.5
    assert values.max() < 1.3


@pytest.mark.parametrize("weight_decay", [0.0, 2.0])
def test_it_agrees_with_torch_within_bfloat16(weight_decay: float) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Parameter(torch.randn(16, 16)), nn.Parameter(torch.empty(16, 16))
    theirs.data.copy_(ours.data)
    own = Muon([ours], [], lr=0.1, other_lr=0.1, weight_decay=weight_decay)
    reference = torch.optim.Muon([theirs], lr=0.1, weight_decay=weight_decay, momentum=0.95)
    for _ in range(3):
        gradient = torch.randn(16, 16)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        own.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0.05)


def test_matrices_of_one_shape_are_updated_as_if_each_were_alone() -> None:
    torch.manual_seed(0)
    shapes = [(8, 8), (8, 4), (8, 8), (4, 8), (8, 2, 2), (8, 8)]
    together = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    apart = [nn.Parameter(p.detach().clone()) for p in together]
    optimizers = [Muon(together, [], lr=0.1, other_lr=0.1, weight_decay=0.1)]
    optimizers += [Muon([p], [], lr=0.1, other_lr=0.1, weight_decay=0.1) for p in apart]
    for _ in range(3):
        for one, other in zip(together, apart, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_its_adamw_is_torch_s() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    own = Muon([], [ours], lr=0.1, other_lr=0.01)
    reference = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.95), weight_decay=0.0)
    for _ in range(5):
        gradient = torch.randn(5)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        own.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_its_state_can_be_saved_and_loaded() -> None:
    weight = nn.Parameter(torch.randn(4, 4))
    first = Muon([weight], [], lr=0.1, other_lr=0.1)
    weight.grad = torch.randn(4, 4)
    first.step()
    second = Muon([weight], [], lr=0.1, other_lr=0.1)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second.state[weight]["momentum"], first.state[weight]["momentum"])


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_hidden_matrices_alone_decay(optimizer: str) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed_tokens = nn.Embedding(4, 4)
            self.hidden = nn.Linear(4, 4)

    network = Network()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    settings = Optimisation.model_validate(
        {"steps": 1, "optimizer": optimizer, "lr": 0.1, "weight_decay": 0.5}
    )
    build_optimizer(network, settings).step()
    for name, parameter in network.named_parameters():
        kept = 0.95 if name == "hidden.weight" else 1.0
        torch.testing.assert_close(parameter.detach(), kept * before[name])
