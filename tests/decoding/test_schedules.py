"""Schedules: every mask is shared out, by each one's formula."""

import itertools
import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rediff.decoding.schedules import (
    CosineSchedule,
    EarlySchedule,
    LinearSchedule,
    MinimalSchedule,
    Schedule,
    ShiftSchedule,
)

SCHEDULES = st.one_of(
    st.builds(ShiftSchedule, shift=st.floats(0.05, 20)),
    st.builds(LinearSchedule, refine_share=st.floats(0, 1)),
)


@given(SCHEDULES, st.lists(st.integers(0, 150), min_size=1, max_size=4), st.integers(1, 64))
@settings(deadline=None)
def test_every_mask_is_shared_out(schedule: Schedule, masks: list[int], steps: int) -> None:
    quotas = schedule.quotas(torch.tensor(masks), steps)
    assert quotas.shape == (len(masks), steps)
    short = torch.tensor(masks) - quotas.sum(dim=1)
    assert (short >= 0).all()
    assert (short <= isinstance(schedule, ShiftSchedule)).all(), "one is lost by rounding at most"
    assert (quotas >= 0).all()
    assert (quotas[:, schedule.unmask_steps(steps) :] == 0).all()


@given(st.floats(0.05, 20), st.integers(1, 150), st.integers(1, 64))
@settings(deadline=None)
def test_every_step_of_a_shifted_schedule_writes(shift: float, masks: int, steps: int) -> None:
    (quotas,) = ShiftSchedule(shift=shift).quotas(torch.tensor([masks]), steps).tolist()
    assert all(quotas[: min(steps, masks)])


@given(st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]), st.integers(1, 60), st.integers(1, 40))
@settings(deadline=None)
def test_the_shifted_schedule(shift: float, masks: int, steps: int) -> None:
    """With the same arithmetic in float64 but where float32 rounds across a whole number."""
    (quotas,) = ShiftSchedule(shift=shift).quotas(torch.tensor([masks]), steps).tolist()
    used = min(steps, masks)
    reached, exact = [], []
    for step in range(used + 1):
        t = step / used
        exact.append(masks * shift * t / (1 + (shift - 1) * t))
        reached.append(math.floor(exact[-1] + 1e-9))
    assume(all(abs(x - round(x)) > 1e-4 for x in exact[1:-1]))
    shares = [max(1, after - before) for before, after in itertools.pairwise(reached)]
    step = 0
    while sum(shares) > masks:
        if shares[step % used] > 1:
            shares[step % used] -= 1
        step += 1
    assert quotas == [*reversed(shares), *[0] * (steps - used)]


def test_lavidas_own_examples() -> None:
    """64 tokens in 32 steps: at 0.33 many come first, at the authors' default of 3 many last."""
    masks = torch.tensor([64])
    (third,) = ShiftSchedule(shift=0.33).quotas(masks, 32).tolist()
    assert third[:16] == [6, 5, 5, 4, 4, 3, 3, 3, 2, 3, 2, 2, 2, 1, 2, 1]
    (three,) = ShiftSchedule(shift=3).quotas(masks, 32).tolist()
    assert three[:14] == [1] * 13 + [2]
    assert three[-6:] == [4, 3, 4, 5, 5, 4]


@pytest.mark.parametrize("shift", [0.0, -1.0, 1e-9, float("inf"), float("nan")])
def test_a_shift_must_be_above_0(shift: float) -> None:
    with pytest.raises(ValueError, match=r"shift must be from 0\.001 to 1000"):
        ShiftSchedule(shift=shift)


@given(st.integers(0, 150), st.integers(1, 64), st.floats(0, 1))
@settings(deadline=None)
def test_the_linear_schedule(masks: int, steps: int, share: float) -> None:
    schedule = LinearSchedule(refine_share=share)
    (quotas,) = schedule.quotas(torch.tensor([masks]), steps).tolist()
    writing = max(1, steps - math.floor(steps * share))
    assert schedule.unmask_steps(steps) == writing
    shares = [masks // writing + (step < masks % writing) for step in range(writing)]
    assert quotas == [*shares, *[0] * (steps - writing)]


@given(
    st.lists(st.integers(0, 150), min_size=1, max_size=4),
    st.integers(1, 64),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([0.0, 0.5, 0.875, 1.0]),
)
@settings(deadline=None)
def test_most_is_written_early(masks: list[int], steps: int, early: float, filled: float) -> None:
    schedule = EarlySchedule(early=early, filled=filled)
    quotas = schedule.quotas(torch.tensor(masks), steps).tolist()
    first = max(1, math.ceil(early * steps))
    for number, row in zip(masks, quotas, strict=True):
        assert sum(row) == sum(row[:first]) == math.ceil(number * filled)
        assert max(row[:first]) - min(row[:first]) <= 1
    assert schedule.unmask_steps(steps) == steps


@given(st.integers(0, 100), st.integers(1, 30))
@settings(deadline=None)
def test_the_cosine_schedule(masks: int, steps: int) -> None:
    (quotas,) = CosineSchedule().quotas(torch.tensor([masks]), steps).tolist()
    left = masks
    for step, quota in enumerate(quotas[:-1], start=1):
        left -= quota
        curve = math.floor(masks * math.cos(math.pi * step / (2 * steps)) + 1e-9)
        assert left == max(0, min(curve, masks - step))
        assert quota > 0 or left == 0
    assert left == quotas[-1]


@given(st.integers(1, 100), st.integers(1, 30), st.floats(0, 1))
@settings(deadline=None)
def test_the_minimal_schedule(masks: int, steps: int, share: float) -> None:
    schedule = MinimalSchedule(refine_share=share)
    assert schedule.quotas(torch.tensor([masks]), steps).tolist() == [[1] * steps]
    assert schedule.unmask_steps(steps) == max(1, steps - math.floor(steps * share))
