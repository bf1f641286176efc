"""Captions that end before the canvas does, by rules that count on masks that nobody writes."""

import pytest
import torch
from fakes import IDS, STOP, FakeDenoiser, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import find_sampler
from rediff.decoding.revise import RepredictVisible
from rediff.decoding.sampler import RuleSampler
from rediff.decoding.schedules import LinearSchedule
from rediff.decoding.stop import Converged, Cycle

seeds = st.integers(0, 10_000)


def of_words(seed: int, words: int, length: int) -> FakeDenoiser:
    """A denoiser that is sure of where its captions end."""
    denoiser = FakeDenoiser(seed, 2, length, stop_bias=-100.0)
    denoiser.place[:, words:, STOP] += 200.0
    return denoiser


@pytest.mark.parametrize("name", ["remdm-loop", "tolerator"])
@given(seed=seeds, words=st.integers(8, 40), steps=st.integers(10, 40))
@settings(max_examples=25, deadline=None)
def test_a_second_phase_begins_when_all_is_written(
    name: str, seed: int, words: int, steps: int
) -> None:
    """Masks behind the end take no step: all that are left are for the second phase."""
    denoiser = of_words(seed, words, 40)
    result = decode(denoiser, Canvas.blank(2, 40, IDS), find_sampler(name), steps, trace=True)
    assert result.nfe == [steps] * 2
    for trace in result.traces:
        masks = trace.masked[:, : words + 1].sum(dim=1)
        assert (~trace.masked[:-1] & trace.masked[1:]).any()
        assert (masks[steps // 2 : -1] > 0).all(), "in every step but the last"
        assert masks[-1] == 0


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9])
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_a_threshold_holds_for_what_was_taken_back(threshold: float, seed: int) -> None:
    """Of what a step writes one mask alone may be below it, whatever was masked again before."""
    denoiser, sampler = of_words(seed, 30, 40), find_sampler(f"wino,threshold={threshold}")
    result = decode(denoiser, Canvas.blank(2, 40, IDS), sampler, 20, trace=True)
    for trace in result.traces:
        doubtful = trace.unmasked & (trace.confidence <= threshold) & (trace.tokens != STOP)
        assert (doubtful.sum(dim=1)[:-1] <= 1).all()


@pytest.mark.parametrize("name", ["wino", "saber", "saber,share=1"])
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_each_step_gets_on(name: str, seed: int) -> None:
    """More is written than is taken back."""
    denoiser = of_words(seed, 30, 40)
    result = decode(denoiser, Canvas.blank(2, 40, IDS), find_sampler(name), 40, trace=True)
    for trace in result.traces:
        masks = trace.masked.sum(dim=1)
        assert (masks[1:] < masks[:-1]).all()


def test_no_round_is_seen_before_the_rule_that_makes_rounds_acts() -> None:
    """A canvas on which nothing is revised yet is what it was, and not at its end."""
    for seed in range(20):
        passes = []
        for stop in (Converged(), Cycle()):
            sampler = RuleSampler(
                name="late",
                schedule=LinearSchedule(refine_share=0.5),
                revise=RepredictVisible(last=0.3),
                stop=stop,
            )
            denoiser = FakeDenoiser(seed, 2, 12, stop_bias=-100.0)
            result = decode(denoiser, Canvas.blank(2, 12, IDS), sampler, 10)
            passes.append(torch.tensor(result.nfe))
        assert (passes[1] <= passes[0]).all()
        assert (passes[1] > 7).all(), "revision begins with the eighth step"


@given(seed=seeds, words=st.integers(1, 39), steps=st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_paced_writing_takes_the_steps_that_there_are(seed: int, words: int, steps: int) -> None:
    """As few words a step as can be, and one step for the end where there is one left."""
    denoiser, sampler = of_words(seed, words, 40), find_sampler("mask-predict,paced=yes")
    result = decode(denoiser, Canvas.blank(2, 40, IDS), sampler, steps, trace=True)
    assert result.nfe == [min(steps, words + 1)] * 2
    for trace in result.traces:
        written = (trace.unmasked & (torch.arange(40) < words)).sum(dim=1)
        assert written.sum() == words
        assert (written <= -(-words // steps)).all()
        assert (written.sort(descending=True).values == written).all()


@given(seed=seeds, words=st.integers(1, 39), steps=st.integers(1, 10))
@settings(max_examples=25, deadline=None)
def test_each_block_is_paced_by_its_own_words(seed: int, words: int, steps: int) -> None:
    """Revision has its share of a block's steps, and writing the others."""
    sampler = find_sampler("refine,paced=yes,block_length=10,last=0")
    denoiser, writing = of_words(seed, words, 40), steps - steps // 5
    result = decode(denoiser, Canvas.blank(2, 40, IDS), sampler, 4 * steps, trace=True)
    for trace in result.traces:
        written = trace.unmasked & (torch.arange(40) < words)
        assert written.sum() == words
        for start in range(0, words, 10):
            own = written[:, start : start + 10].sum(dim=1)
            assert (own <= -(-min(10, words - start) // writing)).all()
