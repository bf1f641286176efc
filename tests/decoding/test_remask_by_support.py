"""Remask rules that ask for support or movement, against re-tellings in plain loops."""

import math
import statistics

from drawn import LEFT, LENGTH, ROWS, STEPS, WROTE, drawn_prediction, seeds, visible_probability
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.remask import Writing
from rediff.decoding.remask_by_support import (
    RemaskDoubted,
    RemaskFluctuating,
    RemaskRefuted,
    RemaskUnsupported,
)
from rediff.decoding.revise import RepredictDoubted

shares = st.sampled_from([0.0, 0.2, 0.6, 1.0])


@given(seeds, st.integers(1, 5), st.sampled_from([0.0, 0.2, 0.5]))
@settings(max_examples=80, deadline=None)
def test_what_others_do_not_support(seed: int, most: int, drop: float) -> None:
    prediction, eligible = drawn_prediction(seed)
    chosen = RemaskUnsupported(most=most, drop=drop)(
        prediction, Writing(eligible, WROTE, LEFT, 1, 4)
    )
    assert prediction.support is not None
    for row in range(ROWS):
        fell = {}
        for i in range(LENGTH):
            support = prediction.support[row, i].item()
            if eligible[row, i] and not math.isnan(support):
                fell[i] = visible_probability(prediction, row, i) - support
        open_ = [i for i in fell if fell[i] > drop]
        worst = sorted(open_, key=lambda i: (-fell[i], i))[:most]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(worst)


@given(seeds, shares)
@settings(max_examples=80, deadline=None)
def test_what_the_masks_beside_do_not_expect(seed: int, below: float) -> None:
    prediction, eligible = drawn_prediction(seed)
    chosen = RemaskRefuted(below=below)(prediction, Writing(eligible, WROTE, LEFT, 1, 4))
    assert prediction.support is not None
    for row in range(ROWS):
        support = prediction.support[row].tolist()
        open_ = [i for i in range(LENGTH) if eligible[row, i] and support[i] < below]
        fewer = max(0, int(WROTE[row].sum()) - 1)
        worst = sorted(open_, key=lambda i: (support[i], i))[:fewer]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(worst)


@given(seeds, shares, shares, st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_what_the_model_doubts(seed: int, below: float, most: float, times: int) -> None:
    prediction, eligible = drawn_prediction(seed)
    rule = RemaskDoubted(below=below, most=most, times=times)
    chosen = rule(prediction, Writing(eligible, WROTE, LEFT, 1, 4))
    assert prediction.support is not None
    assert prediction.past is not None
    for row in range(ROWS):
        support = prediction.support[row].tolist()
        free = [i for i in range(LENGTH) if eligible[row, i]]
        open_ = [i for i in free if support[i] < below and prediction.past.remasked[row, i] < times]
        worst = sorted(open_, key=lambda i: (support[i], i))[: math.ceil(len(free) * most)]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(worst)


@given(seeds, shares)
@settings(max_examples=60, deadline=None)
def test_what_the_model_doubts_is_replaced(seed: int, below: float) -> None:
    prediction, eligible = drawn_prediction(seed)
    chosen = RepredictDoubted(below=below)(prediction, eligible, 1, 4)
    assert prediction.support is not None
    for row in range(ROWS):
        for i in range(LENGTH):
            doubted = prediction.support[row, i].item() < below  # false for nan
            assert bool(chosen[row, i]) == (bool(eligible[row, i]) and doubted)


@given(seeds, st.sampled_from([0.0, 0.1, 0.25]), shares, st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_what_goes_up_and_down(seed: int, spread: float, most: float, times: int) -> None:
    prediction, eligible = drawn_prediction(seed)
    rule = RemaskFluctuating(spread=spread, most=most, times=times)
    chosen = rule(prediction, Writing(eligible, WROTE, LEFT, 1, 4))
    past = prediction.past
    assert past is not None
    for row in range(ROWS):
        moved = {}
        for i in range(LENGTH):
            seen = [visible_probability(prediction, row, i)]
            for step in reversed(range(STEPS)):
                if past.visible_probability[step, row, i] == 0:
                    break
                seen.append(past.visible_probability[step, row, i].item())
            moved[i] = statistics.pstdev(seen)
        free = [i for i in range(LENGTH) if eligible[row, i]]
        clear = [i for i in free if abs(moved[i] - spread) > 1e-6]
        open_ = [i for i in clear if moved[i] > spread and past.remasked[row, i] < times]
        number = math.ceil(len(free) * most)
        worst = sorted(open_, key=lambda i: -moved[i])[:number]
        assert {i for i in clear if chosen[row, i]} == set(worst)
