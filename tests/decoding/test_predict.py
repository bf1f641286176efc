"""Predict rules against re-tellings in plain loops: what they show the denoiser, and what comes
of it."""

import math
from dataclasses import replace

import pytest
import torch
from fakes import IDS, MASK, STOP, VOCABULARY, FakeDenoiser, decode
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rediff.decoding.active_rows import ActiveRows
from rediff.decoding.canvas import Canvas, Past, Prediction, predict
from rediff.decoding.noise import Noise
from rediff.decoding.passes import Passes
from rediff.decoding.predict import (
    OnePass,
    Predict,
    WithContextsHidden,
    WithCorrector,
    WithCredit,
    WithDoubts,
    WithLeaveOneOut,
)
from rediff.decoding.registry import find_sampler
from rediff.decoding.rules import Rules

ROWS, LENGTH = 3, 8
RULES = Rules(majority_eos=False)
seeds = st.integers(0, 10_000)


class Seen(FakeDenoiser):
    """Keeps what it is shown."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, ROWS, LENGTH, stop_bias=-100.0)
        self.shown: list[tuple[Tensor, list[int]]] = []

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        self.shown.append((tokens.clone(), rows.tolist()))
        return super().__call__(tokens, rows)


def canvas_of(seed: int) -> Canvas:
    """Some tokens are written, others masked."""
    generator = torch.Generator().manual_seed(seed)
    masked = torch.rand(ROWS, LENGTH, generator=generator) < 0.5
    tokens = torch.randint(0, 9, (ROWS, LENGTH), generator=generator)
    tokens = tokens.masked_fill(masked, MASK)
    return Canvas(tokens, masked, torch.zeros(ROWS, dtype=torch.bool), IDS)


def one_step(
    rule: Predict, denoiser: Seen, canvas: Canvas, step: int, past: Past | None = None
) -> tuple[Prediction, list[int]]:
    """The rule's prediction in a step of 8, and the passes of each row."""
    rows = ActiveRows(ROWS, 1)
    rows.begin_step(canvas.done, None)
    noise = Noise(0, denoiser.keys, (0, step), [0, 1, 2])
    passes = Passes(denoiser, rows, RULES, IDS, noise, step, 8, spare=4)
    return rule(passes, canvas, canvas.masked, past), rows.nfe


def says(denoiser: FakeDenoiser, row: int, tokens: list[int]) -> Prediction:
    logits = FakeDenoiser.__call__(denoiser, torch.tensor([tokens]), torch.tensor([row]))
    return predict(logits, IDS)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_one_pass(seed: int) -> None:
    denoiser, canvas = Seen(seed), canvas_of(seed)
    prediction, nfe = one_step(OnePass(), denoiser, canvas, 2)
    for row in range(ROWS):
        expected = says(denoiser, row, canvas.tokens[row].tolist())
        assert torch.equal(prediction.token[row], expected.token[0])
    assert nfe == [1] * ROWS
    assert prediction.progress == 2 / 8


@given(seeds, st.integers(1, 3), st.integers(1, 4), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_corrector(seed: int, every: int, most: int, step: int) -> None:
    denoiser, canvas = Seen(seed), canvas_of(seed)
    rule = WithCorrector(every=every, passes=most)
    prediction, nfe = one_step(rule, denoiser, canvas, step)
    corrects = (step + 1) % every == 0
    assert prediction.corrected == corrects
    for row in range(ROWS):
        tokens = canvas.tokens[row].tolist()
        said, passes = says(denoiser, row, tokens), 1
        draft = [
            int(said.token[0, i]) if canvas.masked[row, i] else tokens[i] for i in range(LENGTH)
        ]
        for _ in range(most if corrects else 0):
            said, passes = says(denoiser, row, draft), passes + 1
            new = said.token[0].tolist()
            if new == draft:
                break
            draft = new
        assert torch.equal(prediction.token[row], said.token[0])
        assert torch.allclose(prediction.confidence[row], said.confidence[0])
        assert nfe[row] == passes


@given(seeds, st.integers(1, 3), st.sampled_from([0.0, 0.25, 0.6, 1.0]), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_hidden_contexts(seed: int, every: int, hidden: float, step: int) -> None:
    denoiser, canvas = Seen(seed), canvas_of(seed)
    rule = WithContextsHidden(every=every, hidden=hidden)
    prediction, nfe = one_step(rule, denoiser, canvas, step)
    if (step + 1) % every or step == 7:
        assert prediction.support is None
        assert nfe == [1] * ROWS
        return
    assert nfe == [2] * ROWS
    assert prediction.support is not None
    shown, _ = denoiser.shown[1]
    for row in range(ROWS):
        tokens = canvas.tokens[row].tolist()
        visible = [i for i in range(LENGTH) if not canvas.masked[row, i]]
        away = [i for i in visible if shown[row, i] == MASK]
        assert len(away) == math.ceil(hidden * len(visible))
        assert [int(t) for i, t in enumerate(shown[row]) if i not in away] == [
            t for i, t in enumerate(tokens) if i not in away
        ]
        p = says(denoiser, row, shown[row].tolist()).log_probabilities().exp()
        for i in range(LENGTH):
            support = prediction.support[row, i].item()
            assert math.isnan(support) == (i not in away)
            assert i not in away or support == pytest.approx(p[0, i, tokens[i]].item())
        first = says(denoiser, row, tokens)
        assert torch.equal(prediction.token[row], first.token[0])


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_mask_beside_each_position(seed: int) -> None:
    """The fake sees a position and its neighbours alone, so that the mask beside a token is told
    what the denoiser says of the canvas with this one masked."""
    denoiser, canvas = Seen(seed), canvas_of(seed)
    prediction, nfe = one_step(WithLeaveOneOut(), denoiser, canvas, 0)
    assert nfe == [1] * ROWS
    assert prediction.support is not None
    for row in range(ROWS):
        for i in range(LENGTH):
            tokens = canvas.tokens[row].tolist()
            without = [*tokens[:i], MASK, *tokens[i + 1 :]]
            p = says(denoiser, row, without).log_probabilities().exp()[0, i]
            if canvas.masked[row, i]:
                assert math.isnan(prediction.support[row, i])
            else:
                assert prediction.support[row, i].item() == pytest.approx(p[tokens[i]].item())


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_what_the_model_doubts(seed: int) -> None:
    """The fake says, as a model that was trained to, that a token is wrong by the mask's logit."""
    denoiser, canvas = Seen(seed), canvas_of(seed)
    prediction, nfe = one_step(WithDoubts(), denoiser, canvas, 3)
    assert nfe == [1] * ROWS
    assert prediction.support is not None
    for row in range(ROWS):
        tokens = canvas.tokens[row].tolist()
        logits = FakeDenoiser.__call__(denoiser, torch.tensor([tokens]), torch.tensor([row]))[0]
        assert torch.equal(prediction.token[row], says(denoiser, row, tokens).token[0])
        for i in range(LENGTH):
            wrong = 1 / (1 + math.exp(-logits[i, MASK].item()))
            support = prediction.support[row, i].item()
            assert math.isnan(support) == canvas.masked[row, i].item()
            assert math.isnan(support) or support == pytest.approx(1 - wrong, abs=1e-6)


@given(
    seeds, st.sampled_from([0.0, 0.5, 0.8]), st.sampled_from([0.2, 1.0]), st.sampled_from([0, 2])
)
@settings(max_examples=30, deadline=None)
def test_credit(seed: int, decay: float, boost: float, weight: float) -> None:
    """Three steps, the canvas changed in between."""
    denoiser, rule = Seen(seed), WithCredit(decay=decay, boost=boost, weight=weight)
    credit = [[[0.0] * VOCABULARY for _ in range(LENGTH)] for _ in range(ROWS)]
    past = None
    for step in range(3):
        canvas = canvas_of(seed + step)
        prediction, nfe = one_step(rule, denoiser, canvas, step, past)
        assert nfe == [1] * ROWS
        for row in range(ROWS):
            said = says(denoiser, row, canvas.tokens[row].tolist())
            assert said.scores is not None
            p = said.log_probabilities().exp()[0]
            for i in range(LENGTH):
                mine = credit[row][i]
                best = int(p[i].argmax())
                for v in range(VOCABULARY):
                    mine[v] = decay * mine[v] + (p[i, v].item() ** boost if v == best else 0.0)
                scores = said.scores[0, i].tolist()
                gained = [s + weight * math.log1p(c) for s, c in zip(scores, mine, strict=True)]
                total = sum(math.exp(g) for g in gained)
                order = sorted(gained)
                if order[-1] - order[-2] > 1e-4:
                    assert int(prediction.token[row, i]) == gained.index(order[-1])
                expected = math.exp(max(gained)) / total
                assert prediction.confidence[row, i].item() == pytest.approx(expected, rel=1e-4)
        zeros = torch.zeros(ROWS, LENGTH)
        none = torch.zeros(0, ROWS, LENGTH)
        past = Past(zeros, zeros.long(), none.long(), none, none, last=prediction)


@given(st.integers(1, 80), st.integers(1, 6), st.integers(1, 6))
def test_as_many_steps_as_passes_allow(passes: int, every: int, further: int) -> None:
    """The largest n with n + further floor(n / every) <= passes, found by trying, or one round of
    steps where the passes are too few; contexts are not hidden in the last step."""
    rule = WithCorrector(every=every, passes=further)
    fits = [n for n in range(1, passes + 1) if n + further * (n // every) <= passes]
    assert rule.steps(passes) == max(*fits, 0, min(passes, every))
    hidden = WithContextsHidden(every=every)
    fits = [n for n in range(1, passes + 1) if n + (n - 1) // every <= passes]
    assert hidden.steps(passes) == max(*fits, min(2, passes))
    assert OnePass().steps(passes) == WithLeaveOneOut().steps(passes) == passes


@pytest.mark.parametrize("steps", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("name", ["proseco", "core", "proseco,every=1,passes=2", "core,every=1"])
def test_a_sampler_takes_no_more_passes_than_it_is_given(name: str, steps: int) -> None:
    for seed in range(5):
        denoiser = FakeDenoiser(seed, 2, 12, stop_bias=-100.0)
        result = decode(denoiser, Canvas.blank(2, 12, IDS), find_sampler(name), steps)
        assert 1 <= max(result.nfe) <= steps
        assert denoiser.calls == max(result.nfe)
        assert not result.canvas.masked.any()


def test_what_is_corrected_is_revised() -> None:
    """Visible tokens change in the steps of the corrector, and in no other."""
    revised = [0] * 8
    sampler = find_sampler("proseco,every=2,passes=2")
    for seed in range(20):
        denoiser = FakeDenoiser(seed, 1, 24, stop_bias=-100.0)
        result = decode(denoiser, Canvas.blank(1, 24, IDS), sampler, 16, trace=True)
        counts = result.traces[0].revised.sum(dim=1).tolist()
        revised = [a + b for a, b in zip(revised, counts, strict=False)]
    assert revised[0] == revised[2] == revised[4] == 0
    assert revised[1] > 0
    assert revised[3] > 0


def test_a_stop_that_is_visible_stays_in_the_corrector_s_draft() -> None:
    canvas = Canvas.blank(1, LENGTH, IDS).prefill(0, [1, 2, 3, STOP])
    denoiser = Seen(0)
    rows = ActiveRows(1, 1)
    rows.begin_step(canvas.done, None)
    passes = Passes(denoiser, rows, RULES, IDS, Noise(0, [0], (0, 1), [0]), 1, 8, 4)
    open_ = canvas.masked & canvas.before_eos()
    WithCorrector()(passes, replace(canvas), open_, None)
    assert (denoiser.shown[1][0][0, 4:] == MASK).all()
