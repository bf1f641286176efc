"""Slow repair: what it hides, what it writes again, what it costs; true answers filled wrongly."""

import math

import pytest
import torch
from fakes import IDS, MASK, STOP, VOCABULARY, FakeDenoiser, decode
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import find_sampler
from rediff.decoding.repair import plan
from rediff.decoding.repair_options import RepairOptions
from rediff.decoding.support import hidden_support
from rediff.training.filling import Fill, fill

LENGTH = 12
TEXT = [0, 1, 2, 3, 4, 5, 6, 7, 8]


class Alphabet(FakeDenoiser):
    """Knows that each token is its left neighbour plus one, and less surely its right one less one.

    It believes what it sees: a visible token is kept.
    """

    def __call__(self, tokens: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        logits = torch.zeros(*tokens.shape, VOCABULARY)
        for shift, strength in ((1, 4.0), (-1, 3.0)):
            near = tokens.roll(shift, dims=1)
            said = torch.nn.functional.one_hot((near + shift).clamp(0, 8), VOCABULARY)
            logits += strength * said * (near < 9)[..., None]
        visible = tokens != MASK
        return logits + 9.0 * torch.nn.functional.one_hot(tokens, VOCABULARY) * visible[..., None]


def canvas(*words: int) -> Canvas:
    return Canvas.blank(1, LENGTH, IDS).prefill(0, [*words, STOP])


@given(st.integers(1, 200), st.booleans(), st.floats(0, 1), st.integers(1, 4), st.integers(1, 5))
def test_a_plan_spends_what_it_has(
    steps: int, draft: bool, share: float, rounds: int, parts: int
) -> None:
    options = RepairOptions(draft=share, rounds=rounds, parts=parts)
    first, refills = plan(options, steps, draft=draft)
    assert first + sum(refill + parts for refill in refills) <= steps
    assert all(refill >= 1 for refill in refills)
    assert (first >= 1) == draft
    assert len(refills) <= rounds


def test_a_wrong_word_is_found_and_mended() -> None:
    broken = TEXT.copy()
    broken[4] = 8
    found = decode(Alphabet(0, 1, LENGTH), canvas(*broken), find_sampler("repair,most=0.2"), 12)
    assert found.responses == [TEXT]


def test_a_text_that_is_right_takes_one_round() -> None:
    denoiser = Alphabet(0, 1, LENGTH)
    found = decode(denoiser, canvas(*TEXT), find_sampler("repair,below=0.0"), 12)
    assert found.responses == [TEXT]
    assert found.nfe == [4] == [denoiser.calls]


def test_a_round_that_brings_all_back_is_the_last() -> None:
    sampler = find_sampler("repair,rounds=3,most=0.1")
    found = decode(Alphabet(0, 1, LENGTH), canvas(*TEXT), sampler, LENGTH)
    assert found.responses == [TEXT]
    assert found.nfe == [4 + 1]


def test_an_empty_answer_is_left_alone() -> None:
    found = decode(Alphabet(0, 1, LENGTH), canvas(), find_sampler("repair"), LENGTH)
    assert (found.responses, found.nfe) == ([[]], [0])


def test_a_trace_shows_what_was_hidden() -> None:
    broken = TEXT.copy()
    broken[4] = 8
    sampler = find_sampler("repair,most=0.2,rounds=1")
    (trace,) = decode(Alphabet(0, 1, LENGTH), canvas(*broken), sampler, 12, trace=True).traces
    assert bool(trace.masked[0, 4])
    assert not trace.revised.any()
    assert trace.tokens[-1, : len(TEXT)].tolist() == TEXT


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(deadline=None, max_examples=30)
def test_support_by_hand(seed: int, parts: int) -> None:
    denoiser, rows = FakeDenoiser(seed, 2, LENGTH), torch.arange(2)
    tokens = torch.randint(0, 9, (2, LENGTH), generator=torch.Generator().manual_seed(seed))
    words = torch.rand(2, LENGTH, generator=torch.Generator().manual_seed(seed + 1)) < 0.7
    found = hidden_support(lambda seen: denoiser(seen, rows), tokens, words, IDS, parts)
    assert found.support is not None
    for row in range(2):
        for place in range(LENGTH):
            if not words[row, place]:
                assert found.support[row, place] == 1
                assert found.token[row, place] == tokens[row, place]
                continue
            seen = tokens.clone()
            for other in range(place % parts, LENGTH, parts):
                if words[row, other]:
                    seen[row, other] = MASK
            logits = denoiser(seen, rows)[row, place]
            logits[[MASK, *IDS.banned]] = -torch.inf
            said = logits.softmax(0)
            assert found.support[row, place] == pytest.approx(
                said[tokens[row, place]].item(), rel=1e-4
            )
            assert found.token[row, place] == said.argmax()


shares = st.sampled_from([0.2, 0.5, 1.0])


@given(st.integers(0, 1000), st.integers(1, 3), shares, shares)
@settings(deadline=None, max_examples=40)
def test_the_least_supported_words_are_hidden(
    seed: int, parts: int, most: float, below: float
) -> None:
    denoiser, generator = FakeDenoiser(seed, 1, LENGTH), torch.Generator().manual_seed(seed)
    text = torch.randint(0, 9, (8,), generator=generator).tolist()
    given_canvas = canvas(*text)
    words = torch.arange(LENGTH)[None] < len(text)
    found = hidden_support(
        lambda seen: denoiser(seen, torch.tensor([0])), given_canvas.tokens, words, IDS, parts
    )
    support = found.confidence[0].tolist()
    order = sorted(range(len(text)), key=lambda i: (support[i], i))[: math.ceil(most * len(text))]
    expected = {i for i in order if support[i] < below}
    sampler = find_sampler(f"repair,rounds=1,parts={parts},most={most},below={below}")
    (trace,) = decode(denoiser, given_canvas, sampler, LENGTH, trace=True).traces
    assert set(trace.masked[0, : len(text)].nonzero()[:, 0].tolist()) == expected


def draws(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def filled(how: Fill, *seeds: int) -> torch.Tensor:
    target = torch.tensor([[*TEXT, STOP, STOP, STOP]] * len(seeds))
    denoiser = Alphabet(0, len(seeds), LENGTH)
    return fill(how, lambda tokens: denoiser(tokens, torch.arange(9)), target, IDS, draws(*seeds))


def test_answers_are_filled_with_errors_that_can_be_known() -> None:
    """Many words at once and blank neighbours: wrong words, each of which its neighbours refute."""
    wrong = filled(Fill(levels=(1.0, 1.0), at_once=9), *range(20))
    right = torch.tensor([[*TEXT, STOP, STOP, STOP]])
    assert (wrong != right).any()
    assert (wrong[:, 9:] == STOP).all()
    assert (filled(Fill(levels=(0.0, 0.0)), 1, 2) == right).all()
    assert (filled(Fill(levels=(1.0, 1.0), at_once=9, sure=1.0), *range(5)) == right).all()


def test_an_answer_is_filled_the_same_in_every_batch() -> None:
    how = Fill(levels=(0.3, 1.0), at_once=4, turns=2)
    together = filled(how, 1, 2, 3)
    for row, seed in enumerate((1, 2, 3)):
        assert torch.equal(filled(how, seed)[0], together[row])
