"""What single samplers do, blocks, and options."""

from dataclasses import replace

import pytest
import torch
from fakes import IDS, MASK, STOP, VOCABULARY, FakeDenoiser, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Canvas, Prediction, predict
from rediff.decoding.registry import find_sampler
from rediff.decoding.revise import KeepVisible
from rediff.decoding.sampler import RuleSampler
from rediff.decoding.schedules import LinearSchedule
from rediff.decoding.stop import Filled
from rediff.decoding.unmask import MostConfident

LENGTH = 12
steps = st.sampled_from([3, 6, 12])
seeds = st.integers(0, 10_000)


def blank(rows: int) -> Canvas:
    return Canvas.blank(rows, LENGTH, IDS)


@given(seeds, steps)
@settings(max_examples=30, deadline=None)
def test_mask_prediction_takes_a_pass_a_step(seed: int, steps: int) -> None:
    denoiser = FakeDenoiser(seed, 3, LENGTH, stop_bias=-100.0)
    assert decode(denoiser, blank(3), find_sampler("mask-predict"), steps).nfe == [steps] * 3


class Content(FakeDenoiser):
    """Would leave all that is written as it is."""

    def __call__(self, tokens: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        logits = super().__call__(tokens, rows)
        return logits + 100.0 * torch.nn.functional.one_hot(tokens, VOCABULARY)


class Steady(FakeDenoiser):
    """Says the same whatever is written."""

    def __call__(self, tokens: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return super().__call__(torch.full_like(tokens, MASK), rows)


@pytest.mark.parametrize("at", [0, 3, 8, 20])
def test_blocks_behind_the_stop_take_no_pass(at: int) -> None:
    """A canvas of 64 in blocks of 8, written up to its stop: nothing is open, and only the blocks
    before the stop can be revised."""
    canvas = Canvas.blank(1, 64, IDS).prefill(0, [*[1] * at, STOP])
    for name, passes in (("mask-predict", 0), ("refine", at // 8 + 1)):
        blocks = replace(find_sampler(name), block_length=8, majority_eos=False)
        result = decode(Content(0, 1, 64), canvas, blocks, 64, trace=True)
        assert result.nfe == [len(trace.tokens) for trace in result.traces] == [passes]
        assert result.responses == [[1] * at]


@pytest.mark.parametrize("seed", range(5))
def test_blocks_behind_a_stop_that_was_written_take_no_pass(seed: int) -> None:
    blocks = replace(find_sampler("mask-predict"), block_length=8)
    result = decode(FakeDenoiser(seed, 1, 64, stop_bias=5.0), Canvas.blank(1, 64, IDS), blocks, 64)
    end = len(result.responses[0])
    assert end < 64, "this denoiser wants to stop"
    assert result.nfe[0] <= (end // 8 + 1) * 8


@given(seeds, st.integers(1, LENGTH))
@settings(max_examples=50, deadline=None)
def test_mask_predict_commits_evenly_and_never_changes_a_token(seed: int, steps: int) -> None:
    denoiser = FakeDenoiser(seed, 2, LENGTH, stop_bias=-100.0)
    result = decode(denoiser, blank(2), find_sampler("mask-predict"), steps, trace=True)
    for trace in result.traces:
        counts = trace.unmasked.sum(dim=1).tolist()
        assert sum(counts) == LENGTH
        assert max(counts) - min(counts) <= 1
        assert counts == sorted(counts, reverse=True)
        assert trace.revisions == 0


@given(seeds, steps)
@settings(max_examples=50, deadline=None)
def test_refinement_replaces_every_visible_token_by_its_argmax(seed: int, steps: int) -> None:
    denoiser = FakeDenoiser(seed, 1, LENGTH, stop_bias=-100.0)
    sampler = replace(find_sampler("refine"), schedule=LinearSchedule(), stop=Filled())
    result = decode(denoiser, blank(1), sampler, steps, trace=True)
    trace = result.traces[0]
    for before in range(len(trace.tokens) - 1):
        tokens, visible = trace.tokens[before], ~trace.masked[before]
        best = predict(denoiser(tokens[None], torch.tensor([0])), IDS).token[0]
        assert torch.equal(trace.tokens[before + 1][visible], best[visible])


def test_settling_ends_at_a_fixed_point_or_at_the_budget() -> None:
    settled = 0
    for seed in range(30):
        denoiser = Steady(seed, 1, LENGTH) if seed % 2 else FakeDenoiser(seed, 1, LENGTH)
        result = decode(denoiser, blank(1), find_sampler("refine"), LENGTH)
        assert result.nfe[0] < LENGTH or not isinstance(denoiser, Steady)
        if result.nfe[0] < LENGTH:
            settled += 1
            prediction = predict(denoiser(result.canvas.tokens, torch.tensor([0])), IDS)
            end = len(result.responses[0])
            assert torch.equal(prediction.token[0, :end], result.canvas.tokens[0, :end])
    assert settled >= 15


def test_a_given_answer_is_kept_by_freezing_and_revised_by_refinement() -> None:
    answer = [1, 2, 3, 4]
    revised = 0
    for seed in range(20):
        denoiser = FakeDenoiser(seed, 1, LENGTH, stop_bias=-100.0)
        canvas = blank(1).prefill(0, answer)
        kept = decode(denoiser, canvas, find_sampler("mask-predict"), 6)
        assert kept.responses[0][:4] == answer
        revised += decode(denoiser, canvas, find_sampler("refine"), 6).responses[0][:4] != answer
    assert revised > 10


def test_nothing_behind_the_stop_is_written() -> None:
    canvas = blank(1).prefill(0, [1, 2, STOP])
    result = decode(FakeDenoiser(0, 1, LENGTH), canvas, find_sampler("mask-predict"), 6)
    assert result.responses == [[1, 2]]
    assert result.canvas.masked[0, 3:].all()


def test_stops_are_committed_last_and_leftmost_first() -> None:
    token = torch.tensor([[STOP, 3, STOP, 4]])
    confidence = torch.tensor([[0.99, 0.2, 0.999, 0.5]])
    prediction, every = Prediction(token, confidence), torch.ones(1, 4, dtype=torch.bool)
    chosen = [
        MostConfident()(prediction, every, torch.tensor([quota]), STOP)[0].tolist()
        for quota in (1, 2, 3)
    ]
    assert chosen == [
        [False, False, False, True],
        [False, True, False, True],
        [True, True, False, True],
    ]


@pytest.mark.parametrize(
    ("block", "steps", "message"),
    [
        (5, 12, "cannot be cut into blocks of 5"),
        (4, 4, "cannot be split evenly over 3 blocks"),
        (None, 13, "13 steps for 12 tokens"),
    ],
)
def test_impossible_plans_are_refused(block: int | None, steps: int, message: str) -> None:
    sampler = RuleSampler(name="x", revise=KeepVisible(), block_length=block)
    with pytest.raises(ValueError, match=message):
        decode(FakeDenoiser(0, 1, LENGTH), blank(1), sampler, steps)


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'refine'"):
        find_sampler("refin")


def test_a_given_answer_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="13 tokens, the canvas 12"):
        blank(1).prefill(0, [1] * 13)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("refine,eos_penalty=0.5", "eos_penalty must be a number from 1 on, got 0.5"),
        ("rediff-official,revise_topp=0.5", "did you mean 'revise_topk'"),
        ("rediff-official,revise_topk=much", "revise_topk cannot be 'much'"),
        ("refine,majority_eos=maybe", "majority_eos cannot be 'maybe'"),
        ("refine,stop=x", "stop cannot be 'x'"),
        ("rediff-official,block_length=-8", "block_length must be above 0, got -8"),
        ("refine,block_length=0", "block_length must be above 0, got 0"),
        ("rediff-official,revise_topk=7", "revise_topk must be from 0 to 1, got 7"),
        ("rediff-official,revise_start=nan", "revise_start must be from 0 to 1, got nan"),
        ("rediff-official,revise_start=-0.1", "revise_start must be from 0 to 1"),
    ],
)
def test_wrong_options_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_sampler(text)


def test_options_are_set_and_named() -> None:
    sampler = find_sampler("rediff-official,block_length=32,revise_start=0.5,stop=no")
    assert sampler == replace(
        find_sampler("rediff-official"), block_length=32, revise_start=0.5, stop=False,
        name="rediff-official,block_length=32,revise_start=0.5,stop=no",
    )  # fmt: skip
    assert find_sampler("refine,majority_eos=false").majority_eos is False


def test_tokens_that_are_masked_again_are_no_revisions() -> None:
    denoiser = FakeDenoiser(1, 1, LENGTH, stop_bias=-100.0)
    (trace,) = decode(denoiser, blank(1), find_sampler("t2m,below=1"), 6, trace=True).traces
    assert (~trace.masked[:-1] & trace.masked[1:]).any()
    assert trace.revisions == 0
