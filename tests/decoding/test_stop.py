"""Stop rules: convergence with a limit, and rounds of several steps."""

from dataclasses import replace

import pytest
import torch
from fakes import IDS, MASK, VOCABULARY, FakeDenoiser, decode
from torch import Tensor

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import find_sampler
from rediff.decoding.sampler import RuleSampler
from rediff.decoding.stop import Converged, Cycle


class Clockwork(FakeDenoiser):
    """Wants every written token t to be (t + 1) mod `period`, and masks to be 0."""

    def __init__(self, period: int) -> None:
        super().__init__(0, 2, 8)
        self.period = period

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        wanted = torch.where(tokens == MASK, 0, (tokens + 1) % self.period)
        return 5.0 * torch.nn.functional.one_hot(wanted, VOCABULARY)


def refining(**changes: object) -> RuleSampler:
    sampler = find_sampler("refine,refine_share=0.75,majority_eos=no")
    assert isinstance(sampler, RuleSampler)
    return replace(sampler, **changes)


@pytest.mark.parametrize("period", [1, 2, 3])
def test_a_round_ends_when_it_comes_back(period: int) -> None:
    """All is written in 2 of 8 steps; with period 3 the canvas after step s is all (s - 2) mod 3
    where it was written in the second step."""
    canvas = Canvas.blank(2, 8, IDS)
    converged = decode(Clockwork(period), canvas, refining(), 8)
    cycled = decode(Clockwork(period), canvas, refining(stop=Cycle()), 8)
    assert converged.nfe == ([3, 3] if period == 1 else [8, 8])
    assert cycled.nfe == [2 + period] * 2


@pytest.mark.parametrize("limit", [1, 2, 4, 20])
def test_a_limit_ends_what_does_not_converge(limit: int) -> None:
    """Two steps write all; the limit counts the steps after the second one."""
    canvas = Canvas.blank(2, 8, IDS)
    result = decode(Clockwork(2), canvas, refining(stop=Converged(limit=limit)), 8)
    assert result.nfe == [min(8, 2 + limit)] * 2


@pytest.mark.parametrize("name", ["refine", "mask-predict", "t2m"])
def test_a_budget_is_spent_whole(name: str) -> None:
    result = decode(Clockwork(1), Canvas.blank(2, 8, IDS), find_sampler(f"{name},stop=budget"), 6)
    assert result.nfe == [6, 6]


def test_a_limit_is_above_nothing() -> None:
    with pytest.raises(ValueError, match="limit must be above 0, got 0"):
        find_sampler("refine,limit=0")
