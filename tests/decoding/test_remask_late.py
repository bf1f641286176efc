"""Remask rules that act late or hold to a schedule, against re-tellings in plain loops."""

import math

import pytest
import torch
from drawn import (
    LEFT,
    LENGTH,
    NOISE,
    ROWS,
    STEPS,
    WROTE,
    drawn_prediction,
    seeds,
    visible_probability,
)
from fakes import IDS, FakeDenoiser, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import find_sampler
from rediff.decoding.remask import Writing
from rediff.decoding.remask_late import RemaskFaded, RemaskLowest, RemaskSubset, RemaskToSchedule

steps_of_8 = st.integers(0, 7)
shares = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def places(chosen: torch.Tensor, row: int) -> list[int]:
    return chosen[row].nonzero()[:, 0].tolist()


@given(seeds, steps_of_8, shares, shares)
@settings(max_examples=80, deadline=None)
def test_the_lowest(seed: int, step: int, after: float, most: float) -> None:
    prediction, eligible = drawn_prediction(seed)
    chosen = RemaskLowest(after=after, most=most)(
        prediction, Writing(eligible, WROTE, LEFT, step, 8)
    )
    for row in range(ROWS):
        free = [i for i in range(LENGTH) if eligible[row, i]]
        order = sorted(free, key=lambda i: (visible_probability(prediction, row, i), i))
        acts = step + 1 >= 8 * after or LEFT[row] == 0
        number = math.ceil(most * len(free)) if acts else 0
        assert places(chosen, row) == sorted(order[:number])


@given(seeds, steps_of_8, shares, st.sampled_from([(1.0, 0.0), (0.5, 0.1), (0.3, 0.3)]))
@settings(max_examples=80, deadline=None)
def test_a_random_share_that_falls(
    seed: int, step: int, after: float, ends: tuple[float, float]
) -> None:
    prediction, eligible = drawn_prediction(seed)
    eligible &= ~WROTE
    most, least = ends
    rule = RemaskSubset(after=after, most=most, least=least)
    chosen = rule(prediction, Writing(eligible, WROTE, LEFT, step, 8))
    uniform = NOISE.uniform("remask", LENGTH)
    for row in range(ROWS):
        free = [i for i in range(LENGTH) if eligible[row, i] or WROTE[row, i]]
        to_come = (6 - step) / max(1.0, 8 - 8 * after - 1)  # 1 when it begins, 0 at its end
        share = least + (most - least) * min(1.0, max(0.0, to_come))
        acts = step + 1 >= 8 * after or LEFT[row] == 0
        number = len(places(chosen, row))
        assert number in (math.ceil(len(free) * share - 1e-6), math.ceil(len(free) * share)) or (
            number == 0 and not acts
        )
        order = sorted(free, key=lambda i: -uniform[row, i].item())
        assert places(chosen, row) == sorted(order[:number])


def test_a_share_falls_from_the_most_to_the_least() -> None:
    """With the first step that takes anything back, and with the last one that may."""
    prediction, _ = drawn_prediction(0)
    rule = RemaskSubset(after=0.5, most=0.8, least=0.2)
    everywhere = torch.ones(ROWS, LENGTH, dtype=torch.bool)
    shares = [
        rule(prediction, Writing(everywhere, WROTE, LEFT + 1, step, 10))
        .float()
        .mean(dim=1)
        .tolist()
        for step in range(9)
    ]
    assert shares[:4] == [[0.0] * ROWS] * 4
    assert shares[4] == pytest.approx([0.8] * ROWS)
    assert shares[8] == pytest.approx([0.2] * ROWS)
    assert shares == sorted(shares[:4]) + sorted(shares[4:], reverse=True)


@given(seeds, steps_of_8, shares, st.integers(1, 5), st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_what_stays_unlikely(seed: int, step: int, after: float, most: int, window: int) -> None:
    prediction, eligible = drawn_prediction(seed)
    rule = RemaskFaded(after=after, below=0.5, most=most, window=window)
    chosen = rule(prediction, Writing(eligible, WROTE, LEFT, step, 8))
    assert prediction.past is not None
    for row in range(ROWS):
        means = {}
        for i in range(LENGTH):
            earlier = [prediction.past.visible_probability[s, row, i].item() for s in range(STEPS)]
            seen = [*earlier, visible_probability(prediction, row, i)][-window:]
            known = [p for p in seen if p > 0]
            means[i] = sum(known) / max(1, len(known))
        acted, moments = step + 1 - 8 * after, 8 - 8 * after
        third = min(2, max(0, int(3 * acted / max(1, moments))))
        cap = [most, math.ceil(most / 2), math.ceil(most / 4)][third]
        open_ = [i for i in range(LENGTH) if eligible[row, i] and means[i] < 0.5]
        order = sorted(open_, key=lambda i: (means[i], i))
        number = cap if acted >= 0 else 0
        assert places(chosen, row) == sorted(order[:number])


@given(seeds, steps_of_8)
@settings(max_examples=80, deadline=None)
def test_what_was_never_sure(seed: int, step: int) -> None:
    prediction, eligible = drawn_prediction(seed)
    eligible &= ~WROTE
    chosen = RemaskToSchedule()(prediction, Writing(eligible, WROTE, LEFT, step, 8))
    assert prediction.past is not None
    past = prediction.past
    for row in range(ROWS):
        written = [i for i in range(LENGTH) if eligible[row, i] or WROTE[row, i]]
        running = {}
        for i in written:
            earlier = [
                (
                    past.visible_probability[s, row, i]
                    if past.visible_probability[s, row, i] > 0
                    else past.confidence[s, row, i]
                )
                for s in range(STEPS)
            ]
            now = (
                prediction.confidence[row, i].item()
                if WROTE[row, i]
                else visible_probability(prediction, row, i)
            )
            running[i] = max([*earlier, now])
        left = math.ceil(len(written) * (8 - step - 1) / 8)
        kept = sorted(written, key=lambda i: (-running[i], i))[: len(written) - left]
        assert places(chosen, row) == sorted(set(written) - set(kept))


@pytest.mark.parametrize(
    "name", ["remdm-loop", "tolerator", "free-correction,below=1", "fluctuation,spread=0"]
)
def test_each_masks_again_and_ends_without_masks(name: str) -> None:
    denoiser = FakeDenoiser(3, 2, 24, stop_bias=-100.0)
    result = decode(denoiser, Canvas.blank(2, 24, IDS), find_sampler(name), 12, trace=True)
    for trace in result.traces:
        assert (~trace.masked[:-1] & trace.masked[1:]).any()
        assert not trace.masked[-1].any()
    assert result.nfe == [12, 12]


def test_the_running_confidence_holds_to_the_schedule() -> None:
    """After s of T steps ceil(n (T - s) / T) of n words are masks."""
    denoiser = FakeDenoiser(5, 1, 24, stop_bias=-100.0)
    (trace,) = decode(denoiser, Canvas.blank(1, 24, IDS), find_sampler("rcr"), 8, trace=True).traces
    assert trace.masked.sum(dim=1).tolist() == [21, 18, 15, 12, 9, 6, 3, 0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("remdm-loop,remask.most=2", "most must be from 0 to 1, got 2"),
        ("remdm-loop,filled=2", "filled must be from 0 to 1, got 2"),
        ("tolerator,least=-1", "least must be from 0 to 1, got -1"),
        ("free-correction,window=0", "window must not be below 1, got 0"),
        ("fluctuation,times=-1", "times must not be below 0, got -1"),
        ("core,most=0", "most must not be below 1, got 0"),
        ("core,hidden=2", "hidden must be from 0 to 1, got 2"),
        ("proseco,passes=0", "passes must not be below 1, got 0"),
        ("credit,weight=-1", "weight must not be below 0, got -1"),
        ("klass,drift=-1", "drift must not be below 0, got -1"),
        ("slowfast,explore=0", "explore must not be below 1, got 0"),
        ("prophet,second=-1", "second must not be below 0, got -1"),
        ("wino,below=2", "below must be from 0 to 1, got 2"),
    ],
)
def test_numbers_that_no_rule_takes(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_sampler(name)
