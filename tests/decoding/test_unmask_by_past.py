"""Unmask rules that ask for the past, against re-tellings in plain loops."""

import itertools
import statistics
from dataclasses import replace

import pytest
import torch
from drawn import LENGTH, ROWS, STEPS, drawn_prediction, seeds
from fakes import IDS, FakeDenoiser, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Canvas, Prediction
from rediff.decoding.registry import find_sampler
from rediff.decoding.sampler import RuleSampler
from rediff.decoding.unmask_by_past import AboveMean, SlowThenFast, SureAndStable

EOS = 1
shares = st.sampled_from([0.2, 0.5, 0.9])
quotas = st.lists(st.integers(0, 3), min_size=ROWS, max_size=ROWS)


@given(seeds, quotas, st.booleans())
@settings(max_examples=80, deadline=None)
def test_above_the_mean_of_what_was_written(seed: int, quotas: list[int], eos_last: bool) -> None:
    prediction, visible = drawn_prediction(seed)
    chosen = AboveMean(eos_last=eos_last)(prediction, ~visible, torch.tensor(quotas), EOS)
    assert prediction.past is not None
    for row in range(ROWS):
        found = [w for w in prediction.past.written[row].tolist() if w > 0]
        c, t = prediction.confidence[row].tolist(), prediction.token[row].tolist()
        masks = [i for i in range(LENGTH) if not visible[row, i]]
        waits = [i for i in masks if eos_last and t[i] == EOS]
        free = sorted(set(masks) - set(waits), key=lambda i: (-c[i], i))
        sure = [i for i in free if found and c[i] > sum(found) / len(found)]
        expected = {*[*free, *waits][: quotas[row]], *sure}
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(expected)


@given(
    seeds,
    st.lists(st.sampled_from([0, 1, 3, LENGTH]), min_size=ROWS, max_size=ROWS),
    shares,
    st.sampled_from([0.0, 0.5, 1.5]),
    st.integers(1, 5),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_sure_and_stable(
    seed: int, quotas: list[int], threshold: float, drift: float, steps: int, eos_last: bool
) -> None:
    prediction, eligible = drawn_prediction(seed)
    assert prediction.past is not None
    generator = torch.Generator().manual_seed(seed)
    moved = 2 * torch.rand(STEPS, ROWS, LENGTH, generator=generator)
    prediction = replace(prediction, past=replace(prediction.past, drift=moved))
    rule = SureAndStable(eos_last=eos_last, threshold=threshold, drift=drift, steps=steps)
    chosen = rule(prediction, eligible, torch.tensor(quotas), EOS)
    for row in range(ROWS):
        c, t = prediction.confidence[row].tolist(), prediction.token[row].tolist()
        masks = [i for i in range(LENGTH) if eligible[row, i]]
        waits = [i for i in masks if eos_last and t[i] == EOS]
        free = sorted(set(masks) - set(waits), key=lambda i: (-c[i], i))
        sure = []
        for i in free:
            last = moved[-steps:, row, i].tolist()
            if c[i] > threshold and len(last) == steps and all(d < drift for d in last):
                sure.append(i)
        by_quota = [*free, *waits][: quotas[row]]
        expected = sure if sure and quotas[row] < LENGTH else by_quota
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(expected)


@given(seeds, quotas, shares, shares, st.integers(1, 4), st.integers(1, 6), st.booleans())
@settings(max_examples=80, deadline=None)
def test_slow_then_fast(
    seed: int,
    quotas: list[int],
    certain: float,
    threshold: float,
    window: int,
    explore: int,
    eos_last: bool,
) -> None:
    prediction, eligible = drawn_prediction(seed)
    rule = SlowThenFast(
        certain=certain,
        threshold=threshold,
        spread=1.1,
        window=window,
        explore=explore,
        eos_last=eos_last,
    )
    chosen = rule(prediction, eligible, torch.tensor(quotas), EOS)
    past = prediction.past
    assert past is not None
    for row in range(ROWS):
        c, t = prediction.confidence[row].tolist(), prediction.token[row].tolist()
        masks = [i for i in range(LENGTH) if eligible[row, i]]
        waits = [i for i in masks if eos_last and t[i] == EOS]
        ends = []
        confidences = [*past.confidence[:, row].tolist(), c][-window:]
        tokens = [*past.token[:, row].tolist(), t][-window:]
        for seen, said in zip(confidences, tokens, strict=True):
            words = [i for i in masks if not eos_last or said[i] != EOS]
            ends.append(max([i for i in words if seen[i] > certain], default=-1))
        stable = len(ends) == window and statistics.pstdev(ends) < 1.1
        fast = stable or (STEPS + 1) % explore == 0
        inside = [i for i in masks if i <= ends[-1]]
        sure = [i for i in inside if c[i] > threshold and i not in waits] if fast else []
        free = sorted(set(masks) - set(waits), key=lambda i: (i not in inside, -c[i], i))
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(
            {*[*free, *waits][: quotas[row]], *sure}
        )


class Watch:
    """Writes what is most confident, and keeps what it was shown."""

    uses_drift = True

    def __init__(self) -> None:
        self.seen: list[Prediction] = []

    def __call__(
        self, prediction: Prediction, eligible: torch.Tensor, quota: torch.Tensor, eos: int
    ) -> torch.Tensor:
        self.seen.append(prediction)
        return eligible & (eligible.long().cumsum(dim=1) <= quota[:, None])


@pytest.mark.parametrize("block_length", [None, 12])
def test_the_past_is_what_happened(block_length: int | None) -> None:
    """What rules are told of earlier steps, put together from the predictions themselves."""
    watch, steps = Watch(), 8
    sampler = RuleSampler(name="watched", unmask=watch, block_length=block_length)
    canvas = Canvas.blank(2, 24, IDS)
    decode(FakeDenoiser(3, 2, 24, stop_bias=-100.0), canvas, sampler, steps)
    a_block = steps if block_length is None else steps // 2
    assert len(watch.seen) == steps
    for number, prediction in enumerate(watch.seen):
        earlier = watch.seen[number - number % a_block : number]
        past = prediction.past
        assert past is not None
        assert past.drift is not None
        assert len(past.confidence) == len(past.visible_probability) == len(earlier)
        assert torch.isinf(past.drift[0]).all()
        for step, one in enumerate(earlier):
            assert torch.equal(past.token[step], one.token)
            assert torch.equal(past.confidence[step], one.confidence)
            assert torch.equal(past.visible_probability[step], one.visible_probability())
        pairs = itertools.pairwise([*earlier, prediction])
        for step, (before, after) in enumerate(pairs, start=1):
            p, q = (one.log_probabilities().double().exp() for one in (after, before))
            kl = torch.where(p > 0, p * (p / q).log(), 0.0).sum(dim=-1)
            assert torch.allclose(past.drift[step].double(), kl, atol=1e-4)


def test_rows_that_end_leave_the_past_of_the_others_alone() -> None:
    """With the stop at hand rows end at different steps; see `test_a_batch_equals_its_rows_alone`
    for all samplers. Here for blocks, too."""
    for name in ("klass,block_length=6", "slowfast,block_length=6", "credit,block_length=6"):
        for seed in range(10):
            both = FakeDenoiser(seed, 3, 12)
            together = decode(both, Canvas.blank(3, 12, IDS), find_sampler(name), 6)
            for row in range(3):
                canvas = Canvas.blank(1, 12, IDS)
                result = decode(both.alone(row), canvas, find_sampler(name), 6)
                assert result.responses[0] == together.responses[row]
                assert result.nfe[0] == together.nfe[row]
