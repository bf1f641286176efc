"""Corruption and losses do what their docstrings say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.training.corruption import (
    Corrupted,
    TokenRole,
    after_eos,
    inject_errors,
    mask_tokens,
    stratified_level,
)
from rediff.training.losses import Weighting, loss_counts, loss_parts, loss_sums, weights_of
from rediff.training.self_correction import draft_as_input

MASK, STOP, WORDS = 20, 21, torch.arange(1, 20)
seeds = st.integers(0, 10_000)


def responses(seed: int, rows: int = 6, length: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(1, 20, (rows, length), generator=generator)
    ends = torch.randint(1, length, (rows,), generator=generator)
    return torch.where(torch.arange(length) >= ends[:, None], STOP, target)


def levels_of_batch(rows: int, power: float = 1.0) -> torch.Tensor:
    return torch.cat([stratified_level(stratum, rows, power=power) for stratum in range(rows)])


@given(seeds, st.floats(0.01, 1.0))
@settings(max_examples=50, deadline=None)
def test_masking_hides_what_it_trains_and_all_behind_the_stop(seed: int, level: float) -> None:
    torch.manual_seed(seed)
    target = responses(seed)
    made = mask_tokens(target, torch.full((6,), level), MASK, STOP)
    assert torch.equal(made.role == TokenRole.MASK, made.tokens == MASK)
    assert torch.equal(
        made.tokens[made.role != TokenRole.MASK], target[made.role != TokenRole.MASK]
    )
    assert (made.tokens[after_eos(target, STOP)] == MASK).all()
    assert (made.role == TokenRole.MASK).any(dim=1).all()


def test_suffixes_are_masked_in_their_share_of_rows() -> None:
    torch.manual_seed(0)
    target = torch.ones(2000, 10, dtype=torch.long)
    made = mask_tokens(target, torch.full((2000,), 1e-9), MASK, STOP, suffix_share=0.5)
    masked = made.role == TokenRole.MASK
    ends_masked = masked[:, -1].float().mean().item()
    assert ends_masked == pytest.approx(0.5, abs=0.05)
    lengths = masked.sum(dim=1)
    assert torch.equal(
        masked[masked[:, -1]].flip(1).long().cumprod(1).sum(1), lengths[masked[:, -1]]
    )


def test_only_maskable_positions_are_masked() -> None:
    target = responses(0)
    made = mask_tokens(target, torch.ones(6), MASK, STOP, maskable=target < 5)
    assert torch.equal(made.role == TokenRole.MASK, (target < 5) & ~after_eos(target, STOP))


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_injected_errors_are_wrong_visible_and_labelled(seed: int) -> None:
    torch.manual_seed(seed)
    target = responses(seed, rows=20)
    hallucinated_tokens = torch.where(target < 10, (target + 1) % 20, target)
    made = inject_errors(
        mask_tokens(target, levels_of_batch(20), MASK, STOP), target, hallucinated_tokens,
        syntax_rate=0.3, hallucination_rate=0.5, words=WORDS,
    )  # fmt: skip
    wrong = (made.tokens != target) & (made.tokens != MASK)
    assert torch.equal(
        wrong, (made.role == TokenRole.SYNTAX) | (made.role == TokenRole.HALLUCINATION)
    )
    assert torch.equal(made.tokens == MASK, made.role == TokenRole.MASK)
    false = made.role == TokenRole.HALLUCINATION
    assert torch.equal(made.tokens[false], hallucinated_tokens[false])
    assert (made.role != TokenRole.IGNORED).all()


def test_error_rates_are_as_asked() -> None:
    torch.manual_seed(0)
    target = torch.randint(1, 20, (200, 100))
    bare = Corrupted(target, torch.zeros_like(target), torch.ones(200))
    made = inject_errors(
        bare, target, (target % 19) + 1, syntax_rate=0.1, hallucination_rate=0.2, words=WORDS
    )
    share = {role: (made.role == role).float().mean().item() for role in TokenRole}
    assert share[TokenRole.SYNTAX] == pytest.approx(0.1 * 18 / 19, abs=0.01)
    assert share[TokenRole.HALLUCINATION] == pytest.approx((1 - 0.1 * 18 / 19) * 0.2, abs=0.01)


@given(st.integers(1, 200), st.floats(0.3, 1.0))
@settings(max_examples=50, deadline=None)
def test_levels_are_stratified(rows: int, power: float) -> None:
    levels = levels_of_batch(rows, power)
    strata = (levels.pow(1 / power) * rows).clamp(max=rows - 1e-3).floor().long()
    assert (levels > 0).all()
    assert (levels <= 1).all()
    assert len(set(strata.tolist())) >= rows - 2


def make_batch(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    logits, target = torch.randn(4, 8, 22), torch.randint(0, 22, (4, 8))
    return logits, target, torch.randint(0, 7, (4, 8)), torch.rand(4) + 0.1


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_parts_are_means_over_their_own_tokens(seed: int) -> None:
    logits, target, role, level = make_batch(seed)
    parts = loss_parts(loss_sums(logits, target, role, level), loss_counts(role))
    paper = loss_parts(
        loss_sums(logits, target, role, level, weighting="paper"),
        loss_counts(role, weighting="paper"),
    )
    single = -logits.log_softmax(-1).gather(-1, target[..., None])[..., 0]
    for k in set(TokenRole) - {TokenRole.IGNORED}:
        own = role == k
        expected = single[own].mean() if own.any() else torch.tensor(0.0)
        torch.testing.assert_close(parts[k], expected)
        divided = (single / level[:, None])[own].mean() if own.any() else torch.tensor(0.0)
        torch.testing.assert_close(paper[k], divided)
    assert parts[TokenRole.IGNORED] == 0


@given(seeds, st.sampled_from(["uniform", "paper", "official", "llada"]), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_a_batch_in_two_pieces_has_the_same_parts(
    seed: int, weighting: Weighting, cut: int
) -> None:
    batch = make_batch(seed)
    pieces = [[part[:cut] for part in batch], [part[cut:] for part in batch]]
    counts = [loss_counts(role, weighting=weighting) for _, _, role, _ in pieces]
    whole = loss_counts(batch[2], weighting=weighting)
    torch.testing.assert_close(sum(counts), whole)
    sums = [loss_sums(*piece, weighting=weighting) for piece in pieces]
    together = loss_sums(*batch, weighting=weighting)
    torch.testing.assert_close(
        loss_parts(torch.stack(sums).sum(0), whole), loss_parts(together, whole)
    )


def test_weights_scale_their_parts() -> None:
    assert weights_of({}).tolist() == [0, 1, 1, 1, 1, 1, 1]
    assert weights_of({TokenRole.KEEP: 0.5})[TokenRole.KEEP] == 0.5


def test_a_draft_is_shown_as_a_decoder_sees_it() -> None:
    draft = torch.tensor([[1, 2, STOP, STOP, STOP], [1, 2, 3, 4, STOP]])
    target = torch.tensor([[1, 3, 5, STOP, STOP], [1, 2, STOP, STOP, STOP]])
    made = draft_as_input(draft, target, MASK, STOP)
    assert made.tokens.tolist() == [[1, 2, STOP, MASK, MASK], [1, 2, 3, 4, STOP]]
    keep, edit, mask, none = TokenRole.KEEP, TokenRole.EDIT, TokenRole.MASK, TokenRole.IGNORED
    assert made.role.tolist() == [[keep, edit, edit, mask, mask], [keep, keep, edit, none, none]]
