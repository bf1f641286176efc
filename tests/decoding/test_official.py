"""Properties of the authors' loop; that it is theirs, tests/parity shows."""

import torch
from fakes import IDS, MASK, STOP, FakeDenoiser, decode
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import find_sampler
from rediff.decoding.sampler import OfficialSampler

LENGTH = 12
samplers = st.builds(
    OfficialSampler,
    name=st.just("x"),
    revise=st.booleans(),
    revise_topk=st.sampled_from([0.0, 0.3, 0.5]),
    revise_start=st.sampled_from([1.0, 0.5, 0.3]),
    block_length=st.sampled_from([None, 4, 6]),
    stop=st.booleans(),
)
seeds = st.integers(0, 10_000)
steps = st.sampled_from([6, 12])


@given(seeds, samplers, steps)
@settings(max_examples=150, deadline=None)
def test_a_batch_equals_its_rows_alone(seed: int, sampler: OfficialSampler, steps: int) -> None:
    denoiser = FakeDenoiser(seed, 4, LENGTH)
    together = decode(denoiser, Canvas.blank(4, LENGTH, IDS), sampler, steps)
    for row in range(4):
        single = decode(denoiser.alone(row), Canvas.blank(1, LENGTH, IDS), sampler, steps)
        assert single.responses[0] == together.responses[row]
        assert single.nfe[0] == together.nfe[row] <= steps


@given(seeds, samplers, steps)
@settings(max_examples=100, deadline=None)
def test_frame_ids_are_never_written(seed: int, sampler: OfficialSampler, steps: int) -> None:
    """But for what the quota spills over to, where they are only banned at masks."""
    assume(sampler.revise or not sampler.stop)
    result = decode(FakeDenoiser(seed, 3, LENGTH), Canvas.blank(3, LENGTH, IDS), sampler, steps)
    assert not torch.isin(result.canvas.tokens, torch.tensor(IDS.official_banned)).any()
    for response in result.responses:
        assert not sampler.stop or STOP not in response


@given(seeds, steps, st.sampled_from([0.3, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_revision_starts_when_it_is_told_to(seed: int, steps: int, start: float) -> None:
    sampler = OfficialSampler(name="x", revise=True, revise_start=start, stop=False)
    blank = Canvas.blank(1, LENGTH, IDS)
    (trace,) = decode(FakeDenoiser(seed, 1, LENGTH), blank, sampler, steps, trace=True).traces
    first = steps - -(-steps * start // 1)
    assert not trace.revised[: int(first)].any()


def test_a_proposed_mask_is_a_mask_again() -> None:
    found = 0
    for seed in range(40):
        denoiser = FakeDenoiser(seed, 1, LENGTH)
        denoiser.place[..., MASK] += 1.5
        blank = Canvas.blank(1, LENGTH, IDS)
        result = decode(denoiser, blank, find_sampler("llada-official"), LENGTH)
        assert torch.equal(result.canvas.masked, result.canvas.tokens == MASK)
        found += MASK in result.responses[0]
    assert found > 5


def test_the_stop_never_moves_right() -> None:
    shorter = 0
    for seed in range(60):
        denoiser = FakeDenoiser(seed, 1, LENGTH, stop_bias=0.5)
        result = decode(
            denoiser, Canvas.blank(1, LENGTH, IDS), find_sampler("rediff-official"), 6, trace=True
        )
        stops = [
            row.tolist().index(STOP) for row in result.traces[0].tokens if STOP in row.tolist()
        ]
        assert len(result.responses[0]) == min(stops, default=LENGTH)
        last = result.canvas.tokens[0].tolist()
        shorter += (last.index(STOP) if STOP in last else LENGTH) > len(result.responses[0])
    assert shorter > 0, "a stop was revised away and the response cut there all the same"
