"""Each rule against a re-telling of its formula in plain loops, on random logits."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    EntropyBoundSampler,
    EntropyBoundSamplerConfig,
)

from rediff.decoding.canvas import Prediction, SpecialIds, predict
from rediff.decoding.noise import Noise
from rediff.decoding.registry import find_sampler
from rediff.decoding.revise import RepredictVisible, TakeCorrections
from rediff.decoding.unmask import (
    AllOnceSure,
    AllWords,
    ConfidentElseQuota,
    EntropyBound,
    FactorBound,
    MostConfident,
    Unmask,
)
from rediff.decoding.unmask_by_position import LeftFirst

ROWS, LENGTH, VOCABULARY, EOS = 2, 9, 7, 1
IDS = SpecialIds(mask=0, eos=EOS)
NOISE = Noise(0, [11, 12], (0, 0), [0, 1])
seeds, scales = st.integers(0, 10_000), st.sampled_from([0.5, 2.0, 6.0])
shares = st.sampled_from([0.2, 0.5, 0.9])


def drawn(seed: int, scale: float) -> tuple[Prediction, Tensor, Tensor]:
    """A prediction, eligible positions, and a quota of each row."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(ROWS, LENGTH, VOCABULARY, generator=generator)
    seen = torch.randint(2, VOCABULARY, (ROWS, LENGTH), generator=generator)
    eligible = torch.rand(ROWS, LENGTH, generator=generator) < 0.7
    quota = torch.randint(0, 4, (ROWS,), generator=generator)
    return predict(logits, IDS, seen=seen, noise=NOISE), eligible, quota


def distribution(prediction: Prediction, row: int, position: int) -> list[float]:
    return sorted(prediction.log_probabilities()[row, position].exp().tolist(), reverse=True)


def retold(
    rule: Unmask,
    seed: int,
    scale: float,
    choose: Callable[[list[int], Prediction, int, int], list[int]],
) -> None:
    """Compares a rule with `choose`, which is given the eligible positions of a row that need not
    wait for eos, the prediction, the row and its quota; positions of eos follow, leftmost first."""
    prediction, eligible, quota = drawn(seed, scale)
    chosen = rule(prediction, eligible, quota, EOS)
    for row in range(ROWS):
        places = [i for i in range(LENGTH) if eligible[row, i]]
        free = [i for i in places if prediction.token[row, i] != EOS]
        ends = [i for i in places if prediction.token[row, i] == EOS]
        expected = choose(free, prediction, row, int(quota[row]))
        expected += ends[: max(0, int(quota[row]) - len(free))]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(expected)


def scores_of(rank: str, prediction: Prediction, row: int) -> list[float]:
    found = []
    for i in range(LENGTH):
        p = distribution(prediction, row, i)
        found.append(
            {
                "probability": prediction.confidence[row, i].item(),
                "margin": p[0] - p[1],
                "entropy": sum(x * math.log(x) for x in p if x > 0),
                "random": NOISE.uniform("rank", LENGTH)[row, i].float().item(),
            }[rank]
        )
    return found


@pytest.mark.parametrize("rank", ["probability", "margin", "entropy", "random"])
@given(seed=seeds, scale=scales, threshold=shares)
@settings(max_examples=40, deadline=None)
def test_most_confident(rank: str, seed: int, scale: float, threshold: float) -> None:
    def choose(free: list[int], prediction: Prediction, row: int, quota: int) -> list[int]:
        scores = scores_of(rank, prediction, row)
        best = sorted(free, key=lambda i: (-scores[i], i))[:quota]
        return [i for i in free if i in best or prediction.confidence[row, i] > threshold]

    retold(MostConfident(rank=rank, threshold=threshold), seed, scale, choose)


@given(seeds, scales, st.sampled_from([0.0, 0.05, 1.0, 200.0]))
@settings(max_examples=60, deadline=None)
def test_left_first(seed: int, scale: float, decay: float) -> None:
    def choose(free: list[int], prediction: Prediction, row: int, quota: int) -> list[int]:
        scores = (prediction.confidence[row] * torch.exp(-decay * torch.arange(LENGTH))).tolist()
        return sorted(free, key=lambda i: (-scores[i], i))[:quota]

    retold(LeftFirst(decay=decay), seed, scale, choose)


@given(seeds, scales, shares)
@settings(max_examples=60, deadline=None)
def test_confident_else_quota(seed: int, scale: float, threshold: float) -> None:
    prediction, eligible, quota = drawn(seed, scale)
    rule = ConfidentElseQuota(threshold=threshold)
    chosen = rule(prediction, eligible, quota, EOS)
    for row in range(ROWS):
        places = [i for i in range(LENGTH) if eligible[row, i]]
        free = [i for i in places if prediction.token[row, i] != EOS]
        confidence = prediction.confidence[row].tolist()
        sure = [i for i in free if confidence[i] > threshold]
        order = sorted(free, key=lambda i: (-confidence[i], i))
        ends = [i for i in places if i not in free]
        expected = sure or [*order, *ends][: int(quota[row])]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(expected)
    everything = rule(prediction, eligible, torch.full((ROWS,), LENGTH), EOS)
    assert torch.equal(everything, eligible), "the last step writes all that is left"


@given(seeds, scales, st.sampled_from([0.3, 1.0, 2.5]))
@settings(max_examples=60, deadline=None)
def test_factor_bound(seed: int, scale: float, factor: float) -> None:
    def choose(free: list[int], prediction: Prediction, row: int, quota: int) -> list[int]:
        confidence = prediction.confidence[row].tolist()
        order = sorted(free, key=lambda i: (-confidence[i], i))
        best = enumerate((confidence[i] for i in order), start=1)
        fits = [n for n, c in best if c >= 1 - factor / (n + 1)]
        return order[: max([quota, *fits])]

    retold(FactorBound(factor=factor), seed, scale, choose)


@given(seeds, scales, st.sampled_from([0.0, 0.1, 1.0]))
@settings(max_examples=60, deadline=None)
def test_entropy_bound(seed: int, scale: float, bound: float) -> None:
    def choose(free: list[int], prediction: Prediction, row: int, quota: int) -> list[int]:
        entropies = prediction.entropy()[row].tolist()
        order = sorted(free, key=lambda i: (entropies[i], i))
        fits = [
            k
            for k in range(1, len(order) + 1)
            if sum(entropies[i] for i in order[:k]) - entropies[order[k - 1]] <= bound
        ]
        return order[: max([quota, *fits])]

    retold(EntropyBound(bound=bound), seed, scale, choose)


@given(seeds, scales, st.sampled_from([0.0, 0.34, 0.9]), st.sampled_from([0.1, 1.0, 5.0]))
@settings(max_examples=60, deadline=None)
def test_all_once_sure(seed: int, scale: float, progress: float, gap: float) -> None:
    rule = AllOnceSure(first=4 * gap, second=2 * gap, third=gap)
    prediction, eligible, quota = drawn(seed, scale)
    chosen = rule(replace(prediction, progress=progress), eligible, quota, EOS)
    needed = {0.0: 4 * gap, 0.34: 2 * gap, 0.9: gap}[progress]
    assert prediction.scores is not None
    for row in range(ROWS):
        places = [i for i in range(LENGTH) if eligible[row, i]]
        free = [i for i in places if prediction.token[row, i] != EOS]
        ends = [i for i in places if prediction.token[row, i] == EOS]
        gaps = []
        for i in free:
            best, second, *_ = sorted(prediction.scores[row, i].tolist(), reverse=True)
            gaps.append(best - second)
        number = int(quota[row])
        order = sorted(free, key=lambda i: (-prediction.confidence[row, i].item(), i))
        expected = [*order[:number], *ends[: max(0, number - len(free))]]
        if gaps and sum(gaps) / len(gaps) >= needed:
            expected = places
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(expected)


@given(seeds, scales)
@settings(max_examples=60, deadline=None)
def test_all_words(seed: int, scale: float) -> None:
    retold(AllWords(), seed, scale, lambda free, prediction, row, quota: free)


@given(seeds, scales, st.sampled_from([0.05, 0.5, 2.0]))
@settings(max_examples=60, deadline=None)
def test_entropy_bound_is_that_of_transformers(seed: int, scale: float, bound: float) -> None:
    """Where every position may be written, none of them is the end, and there is no quota."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(ROWS, LENGTH, VOCABULARY, generator=generator)
    logits[..., IDS.mask] = -torch.inf
    theirs = EntropyBoundSampler(EntropyBoundSamplerConfig(bound), LENGTH, VOCABULARY, 8)
    tokens = torch.zeros(ROWS, LENGTH, dtype=torch.long)
    # Their entropy of a token that cannot be is nan; so small a number is as good as none.
    theirs.accept_canvas(tokens, tokens, logits.clamp(min=-1e4), 0)
    ours = EntropyBound(bound=bound, eos_last=False)(
        predict(logits, IDS), torch.ones(ROWS, LENGTH, dtype=torch.bool), torch.zeros(ROWS), EOS
    )
    assert torch.equal(ours, theirs.accepted_token_mask)


@given(seeds, scales, shares, st.sampled_from([0.0, 0.1, 0.4]))
@settings(max_examples=60, deadline=None)
def test_edits(seed: int, scale: float, threshold: float, gain: float) -> None:
    prediction, eligible, _ = drawn(seed, scale)
    chosen = RepredictVisible(threshold=threshold, gain=gain)(prediction, eligible, 0, 4)
    assert prediction.seen is not None
    for row in range(ROWS):
        for i in range(LENGTH):
            p = prediction.log_probabilities()[row, i].exp()
            new, old = p[prediction.token[row, i]], p[prediction.seen[row, i]]
            expected = bool(eligible[row, i]) and bool(new > threshold)
            if gain:
                expected = expected and bool(prediction.confidence[row, i] > old + gain)
            assert bool(chosen[row, i]) == expected


@given(seeds, scales, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=60, deadline=None)
def test_the_surest_share_in_the_last_steps(
    seed: int, scale: float, top_fraction: float, last: float
) -> None:
    prediction, eligible, _ = drawn(seed, scale)
    rule, steps = RepredictVisible(top_fraction=top_fraction, last=last), 7
    for step in range(steps):
        chosen = rule(prediction, eligible, step, steps)
        for row in range(ROWS):
            places = [i for i in range(LENGTH) if eligible[row, i]]
            confidence = prediction.confidence[row].tolist()
            best = sorted(places, key=lambda i: (-confidence[i], i))
            best = best[: math.floor(len(places) * top_fraction)]
            late = steps - step <= math.ceil(steps * last)
            assert chosen[row].nonzero()[:, 0].tolist() == (sorted(best) if late else [])


@given(seeds, scales, st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_corrector_s_word_is_taken_everywhere(seed: int, scale: float, corrected: bool) -> None:
    prediction, eligible, _ = drawn(seed, scale)
    chosen = TakeCorrections()(replace(prediction, corrected=corrected), eligible, 0, 4)
    assert chosen.tolist() == (eligible if corrected else eligible & False).tolist()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mask-predict,rank=luck", "rank must be one of probability, margin, entropy, random"),
        ("mask-predict,temperature=-1", "temperature must be a number from 0 on, got -1"),
        ("mask-predict,temperature=inf", "temperature must be a number from 0 on, got inf"),
        ("mask-predict,top_p=0", "top_p must be above 0 and at most 1, got 0"),
        ("fast-dllm-factor,factor=0", "factor must be above 0, got 0"),
        ("entropy-bound,bound=-1", "bound must not be below 0, got -1"),
        ("dimple,threshold=2", "threshold must be from 0 to 1, got 2"),
        ("gated,gain=1.5", "gain must be from 0 to 1, got 1.5"),
        ("shift,shift=0", "shift must be from 0.001 to 1000, got 0"),
    ],
)
def test_numbers_that_no_rule_takes(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_sampler(name)
