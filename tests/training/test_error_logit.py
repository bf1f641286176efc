"""A model that says which of its visible words are wrong: what is trained, kept and asked."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_recipes import toy

import rediff
from rediff.models.checkpoint import Checkpoint
from rediff.models.error_logit import has_error_logit
from rediff.training.corruption import TokenRole
from rediff.training.losses import ErrorLoss, loss_counts, loss_parts, loss_sums
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe

MASK, VOCABULARY = 2, 6
WRONG = {TokenRole.SYNTAX, TokenRole.HALLUCINATION, TokenRole.EDIT}
RIGHT = {TokenRole.CLEAN, TokenRole.KEEP}


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, targets that are no masks, and roles."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, 8, VOCABULARY, generator=generator)
    target = torch.randint(MASK + 1, VOCABULARY, (3, 8), generator=generator)
    return logits, target, torch.randint(len(TokenRole), (3, 8), generator=generator)


@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 3.0]))
@settings(max_examples=60, deadline=None)
def test_the_loss_against_plain_loops(seed: int, weight: float) -> None:
    logits, target, role = drawn(seed)
    sums = loss_sums(logits, target, role, torch.ones(3), errors=ErrorLoss(MASK, weight))
    expected = [0.0] * len(TokenRole)
    for row in range(3):
        for i in range(8):
            kind = TokenRole(int(role[row, i]))
            if kind is TokenRole.IGNORED:
                continue
            scores = logits[row, i].double().tolist()
            others = [math.exp(s) for v, s in enumerate(scores) if v != MASK]
            loss = math.log(sum(others)) - scores[int(target[row, i])]
            wrong = 1 / (1 + math.exp(-scores[MASK]))
            if kind in WRONG:
                loss -= weight * math.log(wrong)
            elif kind in RIGHT:
                loss -= weight * math.log(1 - wrong)
            expected[kind] += loss
    assert sums.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_what_the_model_says_of_errors_is_no_words_business(seed: int) -> None:
    """The gradient of that logit comes from this loss alone, and the words' from the words."""
    logits, target, role = drawn(seed)
    both, words = (logits.clone().requires_grad_() for _ in range(2))
    loss_sums(both, target, role, torch.ones(3), errors=ErrorLoss(MASK, 1.0)).sum().backward()
    without = logits.clone()
    without[..., MASK] = -1e9
    words.data = without
    loss_sums(words, target, role, torch.ones(3)).sum().backward()
    assert both.grad is not None
    assert words.grad is not None
    keep = [v for v in range(VOCABULARY) if v != MASK]
    torch.testing.assert_close(both.grad[..., keep], words.grad[..., keep])
    visible = torch.isin(role, torch.tensor([*WRONG, *RIGHT]))
    assert (both.grad[..., MASK][visible] != 0).all()
    assert (both.grad[..., MASK][~visible] == 0).all()


def test_right_and_wrong_weigh_alike_however_many_they_are() -> None:
    role = torch.tensor([[TokenRole.SYNTAX, *[TokenRole.CLEAN] * 9]])
    logits = torch.zeros(1, 10, VOCABULARY)
    target = torch.full((1, 10), VOCABULARY - 1)
    plain, told = (
        loss_parts(loss_sums(logits, target, role, torch.ones(1), errors=e), loss_counts(role))
        for e in (None, ErrorLoss(MASK, 1.0))
    )
    words = math.log(VOCABULARY - 1)
    assert plain[TokenRole.SYNTAX].item() == pytest.approx(math.log(VOCABULARY))
    for kind in (TokenRole.SYNTAX, TokenRole.CLEAN):
        assert told[kind].item() == pytest.approx(words + math.log(2))


def recipe() -> Recipe:
    raw = toy().model_dump(mode="json")
    raw["stages"]["stage1"] |= {"error_weight": 1.0}
    return Recipe.model_validate(raw)


def test_a_checkpoint_knows_whether_it_says_what_is_wrong(trained: Path, tmp_path: Path) -> None:
    """And one that is trained further without it no longer does."""
    shutil.copytree(trained / "base", tmp_path / "base")
    train(recipe(), tmp_path, only=["stage1", "drafts", "oracle", "stage2"])
    assert has_error_logit(Checkpoint.load(tmp_path / "stage1" / "model").model)
    assert not has_error_logit(Checkpoint.load(tmp_path / "stage2" / "model").model)
    image = rediff.scene(1).image
    with rediff.load(tmp_path / "stage1" / "model") as model:
        for sampler in ("prism", "prism-refine"):
            assert model.caption(image, steps=8, sampler=sampler).nfe > 0
    with (
        rediff.load(tmp_path / "stage2" / "model") as model,
        pytest.raises(ValueError, match="not trained to say which of its words are wrong"),
    ):
        model.caption(image, steps=8, sampler="prism")
