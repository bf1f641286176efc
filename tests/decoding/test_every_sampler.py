"""Properties of decoding that hold for every sampler, each by its name: one that is registered is
tested, without a change here."""

from dataclasses import replace

import pytest
import torch
from fakes import IDS, MASK, PAD, STOP, FakeDenoiser, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import SAMPLERS, find_sampler
from rediff.decoding.revise import RepredictVisible
from rediff.decoding.sampler import (
    LavidaDreamSampler,
    LavidaSampler,
    OfficialSampler,
    RepairSampler,
    Sampler,
)
from rediff.decoding.schedules import LinearSchedule
from rediff.decoding.stop import Filled
from rediff.decoding.unmask import MostConfident

LENGTH = 12
START = [1, 2, 3]
COMPOSED = {
    "blocks": replace(find_sampler("refine"), block_length=4, name="blocks"),
    "published": replace(
        find_sampler("refine"),
        schedule=LinearSchedule(),
        stop=Filled(),
        name="published",
        majority_eos=False,
    ),
    "half": replace(
        find_sampler("refine"), revise=RepredictVisible(top_fraction=0.5, last=0.5), name="half"
    ),
    "threshold": replace(
        find_sampler("mask-predict"),
        unmask=MostConfident(eos_last=False, threshold=0.5),
        name="threshold",
    ),
}
"""Of rules that no name has together."""
OPTIONS = [
    "repair,draft=0.5,parts=2,most=0.3,below=0.6",
    "refine,rank=random,temperature=0.7",
    "refine,paced=yes",
    "t2m,paced=yes",
    "mask-predict,temperature=2,seed=3,block_length=4",
    "refine,temperature=1,top_p=0.5,stop=cycle",
]
AUTHORS = (OfficialSampler, LavidaSampler, LavidaDreamSampler)
"""The authors' own loops write what their code writes, the mask's id too if a model proposes it."""
NAMES = [*SAMPLERS, *OPTIONS, *COMPOSED]
OURS = [name for name in NAMES if name in COMPOSED or not isinstance(find_sampler(name), AUTHORS)]

every_sampler = pytest.mark.parametrize("name", NAMES)
few = settings(max_examples=10, deadline=None)
seeds = st.integers(0, 10_000)
budgets = st.sampled_from([3, 6, 12])


def sampler_of(name: str) -> Sampler:
    return COMPOSED.get(name) or find_sampler(name)


def blank(rows: int) -> Canvas:
    return Canvas.blank(rows, LENGTH, IDS)


def begun(rows: int) -> Canvas:
    """A canvas with another number of tokens in each row, none in the first."""
    canvas = blank(rows)
    for row in range(rows):
        canvas = canvas.prefill(row, START[:row])
    return canvas


@pytest.mark.parametrize("name", OURS)
@given(seeds, budgets)
@few
def test_no_mask_is_left_and_no_special_id_is_written(name: str, seed: int, steps: int) -> None:
    denoiser = FakeDenoiser(seed, 3, LENGTH)
    result = decode(denoiser, begun(3), sampler_of(name), steps, trace=True)
    left = result.canvas.masked & result.canvas.before_eos()
    assert not left.any()
    for response in result.responses:
        assert not {MASK, PAD, STOP} & set(response)
    assert len(result.traces) == 3
    for trace in result.traces:
        written = trace.tokens[~trace.masked]
        assert not torch.isin(written, torch.tensor([MASK, PAD])).any()


@every_sampler
@given(seeds, budgets)
@few
def test_a_batch_equals_its_rows_alone(name: str, seed: int, steps: int) -> None:
    denoiser = FakeDenoiser(seed, 4, LENGTH)
    together = decode(denoiser, begun(4), sampler_of(name), steps)
    for row in range(4):
        alone = blank(1).prefill(0, START[:row])
        single = decode(denoiser.alone(row), alone, sampler_of(name), steps)
        assert single.responses[0] == together.responses[row]
        assert single.nfe[0] == together.nfe[row]


@every_sampler
@given(seeds, budgets, st.sampled_from([-100.0, -1.0, 1.0]))
@few
def test_it_ends_within_its_passes_and_counts_each(
    name: str, seed: int, steps: int, stop_bias: float
) -> None:
    denoiser = FakeDenoiser(seed, 3, LENGTH, stop_bias=stop_bias)
    result = decode(denoiser, blank(3), sampler_of(name), steps)
    assert max(result.nfe) <= denoiser.calls <= steps
    # Between the phases of a repair a row may wait for the others of its batch.
    if not isinstance(sampler_of(name), RepairSampler):
        assert denoiser.calls == max(result.nfe)
    for row in range(3):
        single = denoiser.alone(row)
        assert decode(single, blank(1), sampler_of(name), steps).nfe == [single.calls]
        assert result.nfe[row] == single.calls > 0
    guided = FakeDenoiser(seed, 3, LENGTH, stop_bias=stop_bias)
    guided.passes = 2
    twice = decode(guided, blank(3), sampler_of(name), steps)
    assert twice.nfe == [2 * passes for passes in result.nfe]


@every_sampler
@given(seeds, budgets)
@few
def test_what_it_is_given_stays_as_it_was(name: str, seed: int, steps: int) -> None:
    """The prompt, of which a sampler knows no more than its length, and the canvas."""
    denoiser, canvas = FakeDenoiser(seed, 2, LENGTH), blank(2).prefill(0, [1, 2, 3])
    given_tensors = (canvas.tokens, canvas.masked, canvas.done, denoiser.prompt_lengths)
    before = [tensor.clone() for tensor in given_tensors]
    decode(denoiser, canvas, sampler_of(name), steps)
    assert all(map(torch.equal, given_tensors, before))


@every_sampler
@given(seeds, budgets)
@few
def test_traces_add_up(name: str, seed: int, steps: int) -> None:
    """What each step says that it did, done to the canvas before it, gives the canvas after it."""
    result = decode(FakeDenoiser(seed, 2, LENGTH), blank(2), sampler_of(name), steps, trace=True)
    for row, trace in enumerate(result.traces):
        tokens, masked = blank(1).tokens[0], blank(1).masked[0]
        assert len(trace.tokens) <= result.nfe[row]
        for step in range(len(trace.tokens)):
            now, hidden = trace.tokens[step], trace.masked[step]
            unmasked, revised = trace.unmasked[step], trace.revised[step]
            again = ~masked & hidden
            assert torch.equal(unmasked, masked & ~hidden)
            assert not (revised & (masked | (now == tokens))).any()
            stays = ~(unmasked | revised | again)
            assert torch.equal(now[stays], tokens[stays])
            tokens, masked = now, hidden
        assert torch.equal(tokens, result.canvas.tokens[row])
        assert torch.equal(masked, result.canvas.masked[row])
        assert trace.revisions == int(trace.revised.sum())


@every_sampler
def test_the_same_twice_is_the_same(name: str) -> None:
    first, second = (
        decode(FakeDenoiser(5, 2, LENGTH), blank(2), sampler_of(name), 6) for _ in range(2)
    )
    assert first.responses == second.responses
    assert first.nfe == second.nfe


@pytest.mark.parametrize("name", ["fast-dllm,temperature=0.8", "random", "remdm-cap,eta=0.5"])
def test_draws_do_not_depend_on_when_other_rows_are_done(name: str) -> None:
    """In blocks, beside a row that takes more steps of the first block."""
    sampler = find_sampler(f"{name},block_length=6")
    for seed in range(20):
        both = FakeDenoiser(seed, 2, LENGTH, stop_bias=-100.0)
        both.place[0] *= 8
        together = decode(both, blank(2), sampler, 12)
        assert decode(both.alone(0), blank(1), sampler, 12).responses[0] == together.responses[0]
