"""Remask rules against re-tellings in plain loops, and what the loop makes of them."""

import math

import pytest
import torch
from drawn import LEFT, LENGTH, NOISE, ROWS, WROTE, drawn_prediction, seeds, visible_probability
from fakes import IDS, MASK, FakeDenoiser, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import find_sampler
from rediff.decoding.remask import (
    RemaskAtRandom,
    RemaskFallen,
    RemaskRivalled,
    RemaskUnlikely,
    Writing,
)
from rediff.decoding.sampler import RuleSampler
from rediff.decoding.unmask import MostConfident


@given(seeds, st.sampled_from([0.1, 0.4]), st.sampled_from([0.25, 1.0]), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_what_has_become_unlikely(seed: int, below: float, most: float, times: int) -> None:
    prediction, eligible = drawn_prediction(seed)
    rule = RemaskUnlikely(below=below, most=most, times=times)
    chosen = rule(prediction, Writing(eligible, WROTE, LEFT, 1, 4))
    for row in range(ROWS):
        p = [visible_probability(prediction, row, i) for i in range(LENGTH)]
        free = [i for i in range(LENGTH) if eligible[row, i]]
        assert prediction.past is not None
        open_ = [i for i in free if p[i] < below and prediction.past.remasked[row, i] < times]
        worst = sorted(open_, key=lambda i: (p[i], i))[: math.ceil(len(free) * most)]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(worst)


@given(seeds, st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.0, 0.3, 2.0]), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_what_another_outdoes(seed: int, above: float, gap: float, times: int) -> None:
    prediction, eligible = drawn_prediction(seed)
    rule = RemaskRivalled(above=above, gap=gap, times=times)
    chosen = rule(prediction, Writing(eligible, WROTE, LEFT, 1, 4))
    assert prediction.scores is not None
    assert prediction.seen is not None
    assert prediction.past is not None
    for row in range(ROWS):
        logits = prediction.scores[row].tolist()
        free = [i for i in range(LENGTH) if eligible[row, i]]
        outdone = {}
        for i in free:
            old = int(prediction.seen[row, i])
            new = max(range(len(logits[i])), key=logits[i].__getitem__)
            p = math.exp(logits[i][new]) / sum(math.exp(x) for x in logits[i])
            lead = logits[i][new] - logits[i][old]
            again = prediction.past.remasked[row, i] < times
            if new != old and p > above and lead > gap and again:
                outdone[i] = lead
        worst = sorted(outdone, key=lambda i: (-outdone[i], i))[: math.ceil(len(free) * 0.25)]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(worst)


@pytest.mark.parametrize("how", ["cap", "rescale", "confidence"])
@given(seed=seeds, step=st.integers(0, 7), eta=st.sampled_from([0.05, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_any_token_at_random(how: str, seed: int, step: int, eta: float) -> None:
    prediction, eligible = drawn_prediction(seed)
    chosen = RemaskAtRandom(how=how, eta=eta)(prediction, Writing(eligible, WROTE, LEFT, step, 8))
    uniform = NOISE.uniform("remask", LENGTH)
    assert prediction.past is not None
    for row in range(ROWS):
        free = [i for i in range(LENGTH) if eligible[row, i]]
        total = sum(math.exp(-prediction.past.written[row, i].item()) for i in free)
        for i in range(LENGTH):
            before, after = step / 8, (step + 1) / 8
            most = 0.0 if step == 0 else min(1.0, (1 - after) / before)
            sigma = min(eta, most) if how == "cap" else eta * most
            if how == "confidence" and free:
                sigma *= math.exp(-prediction.past.written[row, i].item()) / total
            if abs(uniform[row, i].item() - sigma) > 1e-6:
                assert bool(chosen[row, i]) == (i in free and uniform[row, i].item() < sigma)


@given(seeds, st.sampled_from([0.125, 0.5]))
@settings(max_examples=60, deadline=None)
def test_what_fell_most(seed: int, share: float) -> None:
    prediction, eligible = drawn_prediction(seed)
    chosen = RemaskFallen(share=share)(prediction, Writing(eligible, WROTE, LEFT, 1, 4))
    assert prediction.past is not None
    for row in range(ROWS):
        fell = [
            prediction.past.written[row, i].item() - visible_probability(prediction, row, i)
            for i in range(LENGTH)
        ]
        open_ = [i for i in range(LENGTH) if eligible[row, i] and fell[i] > 0]
        written = int(WROTE[row].sum())
        number = min(math.ceil(written * share), written - 1)
        worst = sorted(open_, key=lambda i: (-fell[i], i))[:number]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(worst)


def test_what_is_put_back_is_written_later() -> None:
    """Every step writes its quota and what the step before has put back; nothing at the end."""
    sampler = RuleSampler(
        name="often", unmask=MostConfident(), remask=RemaskUnlikely(below=1.0, times=2)
    )
    length, steps = 24, 8
    denoiser = FakeDenoiser(3, 1, length, stop_bias=-100.0)
    result = decode(denoiser, Canvas.blank(1, length, IDS), sampler, steps, trace=True)
    (trace,) = result.traces
    masked = torch.cat([torch.ones(1, length, dtype=torch.bool), trace.masked])
    back = (~masked[:-1] & masked[1:]).sum(dim=1).tolist()
    assert sum(back) > 0
    owed = [0, *back[:-1]]
    for step in range(steps - 1):
        assert int(trace.unmasked[step].sum()) == length // steps + owed[step]
    assert back[-1] == 0
    assert not trace.masked[-1].any()
    assert (~masked[:-1] & masked[1:]).sum(dim=0).max() <= 2
    assert (trace.tokens[trace.masked] == MASK).all()


@pytest.mark.parametrize(
    "name",
    ["t2m,below=1", "t2m-gap", "t2m-rival,above=0.2", "remdm-cap,eta=0.5", "remdm-rescale,eta=0.5"],
)
def test_each_masks_again(name: str) -> None:
    sampler = find_sampler(name)
    denoiser = FakeDenoiser(3, 2, 24, stop_bias=-100.0)
    result = decode(denoiser, Canvas.blank(2, 24, IDS), sampler, 12, trace=True)
    again = [(~t.masked[:-1] & t.masked[1:]).any().item() for t in result.traces]
    assert any(again)
    assert not result.canvas.masked.any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("t2m,below=2", "below must be from 0 to 1, got 2"),
        ("t2m,times=-1", "times must not be below 0, got -1"),
        ("t2m-rival,above=2", "above must be from 0 to 1, got 2"),
        ("t2m-gap,gap=-1", "gap must be a number from 0 on, got -1"),
        ("remdm-cap,how=loop", "how must be one of cap, rescale, confidence, got 'loop'"),
        ("remdm-cap,eta=3", "eta must be from 0 to 1, got 3"),
        ("saber,share=-1", "share must be from 0 to 1, got -1"),
    ],
)
def test_numbers_that_no_rule_takes(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_sampler(name)
