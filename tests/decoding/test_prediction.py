"""What a forward pass predicts: temperature, the end by majority, penalties, and random draws."""

import math

import pytest
import torch
from fakes import IDS as FAKE_IDS
from fakes import MASK, PAD, STOP
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.decoding.canvas import Prediction, SpecialIds, predict
from rediff.decoding.lavida import predict_dream
from rediff.decoding.lavida_options import DreamOptions
from rediff.decoding.noise import Noise, gumbel

ROWS, LENGTH, VOCABULARY, EOS = 2, 9, 7, 1
IDS = SpecialIds(mask=0, eos=EOS)
NOISE = Noise(0, [11, 12], (0, 0), [0, 1])
seeds, scales = st.integers(0, 10_000), st.sampled_from([0.5, 2.0, 6.0])


@given(seeds, scales, st.sampled_from([0.3, 1.0, 3.0]))
@settings(max_examples=40, deadline=None)
def test_temperature(seed: int, scale: float, temperature: float) -> None:
    """argmax of log p + T g, g = -log(-log u) in float64."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(ROWS, LENGTH, VOCABULARY, generator=generator)
    found = predict(logits, IDS, temperature=temperature, noise=NOISE)
    uniform = [one.uniform("token", LENGTH, VOCABULARY)[0].tolist() for one in NOISE.of_each()]
    for row in range(ROWS):
        for i in range(LENGTH):
            allowed = [v for v in range(VOCABULARY) if v != IDS.mask]
            total = sum(math.exp(logits[row, i, v].item()) for v in allowed)
            p = {v: math.exp(logits[row, i, v].item()) / total for v in allowed}
            drawn_at = {
                v: math.log(p[v]) - temperature * math.log(-math.log(uniform[row][i][v]))
                for v in allowed
            }
            word = max(allowed, key=lambda v: drawn_at[v])
            assert found.token[row, i] == word
            assert found.confidence[row, i].item() == pytest.approx(p[word], rel=1e-4)


@given(seeds, scales, st.sampled_from([0.3, 1.0, 3.0]), st.sampled_from([0.2, 0.6, 0.95]))
@settings(max_examples=40, deadline=None)
def test_of_the_likeliest_alone(seed: int, scale: float, temperature: float, top_p: float) -> None:
    """The draw is the same as from the words that are left: the likeliest until they have top_p."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(ROWS, LENGTH, VOCABULARY, generator=generator)
    found = predict(logits, IDS, temperature=temperature, top_p=top_p, noise=NOISE)
    kept = logits.clone()
    for row in range(ROWS):
        for i in range(LENGTH):
            words = [v for v in range(VOCABULARY) if v != IDS.mask]
            weight = {v: math.exp(logits[row, i, v].item() / temperature) for v in words}
            total, have = sum(weight.values()), 0.0
            for v in sorted(words, key=lambda v: -weight[v]):
                if have >= top_p * total:
                    kept[row, i, v] = -torch.inf
                have += weight[v]
    alone = predict(kept, IDS, temperature=temperature, noise=NOISE)
    assert torch.equal(found.token, alone.token)
    p = predict(logits, IDS).log_probabilities().exp().gather(-1, found.token[..., None])[..., 0]
    torch.testing.assert_close(found.confidence, p)


@given(seeds, scales)
@settings(max_examples=60, deadline=None)
def test_the_end_by_majority(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(ROWS, LENGTH, VOCABULARY, generator=generator)
    logits[..., EOS] += 1.5
    found, plain = predict(logits, IDS, majority_eos=True), predict(logits, IDS)
    for row in range(ROWS):
        for i in range(LENGTH):
            p = plain.log_probabilities()[row, i].exp().tolist()
            words = [v for v in range(VOCABULARY) if v != EOS]
            expected = EOS if p[EOS] > 0.5 else max(words, key=lambda v: p[v])
            assert found.token[row, i] == expected
            assert found.confidence[row, i].item() == pytest.approx(p[expected], rel=1e-5)


def test_a_stop_needs_the_majority_where_asked() -> None:
    logits = torch.zeros(1, 2, 12)
    logits[0, 0, STOP], logits[0, 1, STOP], logits[0, 0, 3] = 1.0, 5.0, 0.5
    plain, majority = predict(logits, FAKE_IDS), predict(logits, FAKE_IDS, majority_eos=True)
    assert plain.token.tolist() == [[STOP, STOP]]
    assert majority.token.tolist() == [[3, STOP]]
    kept = logits[..., [i for i in range(12) if i not in (MASK, PAD)]].softmax(-1)
    assert majority.confidence[0, 0].item() == pytest.approx(kept[0, 0, 3].item())


def test_temperature_draws_from_the_flattened_distribution() -> None:
    """Frequencies of 4,000 draws at temperature 2 follow the root of p, up to 4 deviations."""
    logits = torch.tensor([0.0, 1.0, 2.0, 3.0]).log_softmax(dim=0)
    noise, number = Noise(5, [1], (0, 0), [0]), 4_000
    drawn = predict(
        logits.expand(1, number, 4), SpecialIds(mask=0, eos=1), temperature=2.0, noise=noise
    )
    expected = (logits[1:] / 2).softmax(dim=0)
    counts = torch.bincount(drawn.token[0], minlength=4)[1:]
    deviation = (number * expected * (1 - expected)).sqrt()
    assert ((counts - number * expected).abs() < 4 * deviation).all()
    p = torch.tensor([0.0, 1.0, 2.0, 3.0])[1:].softmax(dim=0)
    torch.testing.assert_close(drawn.confidence[0], p[drawn.token[0] - 1])


def test_noise_depends_on_seed_row_step_and_purpose_alone() -> None:
    base = Noise(0, [7, 8], (0, 3), [0, 1]).uniform("token", 2, 5)
    assert torch.equal(base[1:], Noise(0, [8], (0, 3), [0]).uniform("token", 2, 5))
    for other in (
        Noise(1, [7, 8], (0, 3), [0, 1]),
        Noise(0, [8, 7], (0, 3), [0, 1]),
        Noise(0, [7, 8], (0, 4), [0, 1]),
    ):
        assert not torch.equal(base, other.uniform("token", 2, 5))
    assert not torch.equal(base, Noise(0, [7, 8], (0, 3), [0, 1]).uniform("rank", 2, 5))
    assert gumbel(torch.zeros(1, dtype=torch.float64)).isfinite().all()


@given(seeds, st.sampled_from([1.0, 2.0, 50.0]))
@settings(max_examples=40, deadline=None)
def test_a_penalty_divides_the_odds_of_the_stop(seed: int, penalty: float) -> None:
    logits = torch.randn(1, 3, VOCABULARY, generator=torch.Generator().manual_seed(seed))
    plain, later = predict(logits, IDS), predict(logits, IDS, eos_penalty=penalty)

    def odds(prediction: Prediction) -> torch.Tensor:
        p = prediction.log_probabilities()[..., EOS].exp()
        return p / (1 - p)

    assert torch.allclose(odds(later), odds(plain) / penalty, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rank", ["probability", "margin", "entropy"])
def test_dreams_choice_in_low_precision(dtype: torch.dtype, rank: str) -> None:
    """The first of equally likely tokens, and scores that are numbers."""
    logits = torch.randn(1, 64, 800, generator=torch.Generator().manual_seed(0)).to(dtype)
    logits[0, 0, 5] = logits[0, 0, 700] = 9.0
    prediction, score = predict_dream(logits, (), DreamOptions(rank=rank))
    assert prediction.token[0, 0] == 5
    kept = logits.masked_fill(logits < logits.topk(50).values[..., -1:], torch.finfo(dtype).min)
    assert torch.equal(prediction.token, kept.softmax(dim=-1).max(dim=-1).indices)
    assert score.isfinite().all()
