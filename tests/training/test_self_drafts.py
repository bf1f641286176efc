"""Stage I with the model's own mistakes in place of random words."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import killed_when
from torch import Tensor, nn
from toy_recipes import made, saved_states, toy, weights

from rediff.decoding.canvas import SpecialIds
from rediff.models.anyres import ImageBatch
from rediff.training.collator import Batch, Collator
from rediff.training.corruption import TokenRole
from rediff.training.data_order import BatchPosition, ScheduledRow
from rediff.training.estimate import plan
from rediff.training.examples import Answer, Example
from rediff.training.foundational_revision import FoundationalRevision
from rediff.training.logs import read_log
from rediff.training.objectives import MaskRatio
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.self_drafts import SelfDrafts, drawn

MASK, BANNED, EOS, VOCABULARY = 0, 1, 2, 9
IDS = SpecialIds(mask=MASK, eos=EOS, banned=(BANNED,))
PICTURE = ImageBatch(torch.zeros(1, 3, 2, 2), (1,), ((2, 2),))
PROMPT = (3, 4)


class Model(nn.Module):
    """Logits of a position from what it and its left neighbour show."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.own, self.left = torch.randn(2, VOCABULARY, VOCABULARY, generator=generator)
        self.calls = 0

    def forward(
        self, tiles: Tensor, counts: Any, sizes: Any, sequences: list[list[int]], length: int
    ) -> Tensor:
        self.calls += 1
        rows = [self.own[row] + self.left[[MASK, *row[:-1]]] for row in sequences]
        return torch.stack([nn.functional.pad(row, (0, 0, length, 0))[-length:] for row in rows])


def batch_of(seed: int, *, drafts: bool = True) -> Batch:
    """Three rows of different lengths, half of whose visible words are broken."""
    words = torch.tensor([5, 6, 7, 8])
    objective = FoundationalRevision(IDS, words, None, MaskRatio(), 0.5, 0.0, self_drafts=drafts)
    slots = []
    for number, length in enumerate((4, 7, 6)):
        generator = torch.Generator().manual_seed(seed + number)
        response = words[torch.randint(4, (length,), generator=generator)]
        example = Example(PICTURE, (Answer(PROMPT, torch.cat([response, torch.tensor([EOS])])),))
        place = BatchPosition(number, 3, number)
        slots.append(ScheduledRow(example, place, seed + number))
    return Collator(objective)(slots)


@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_drafts_against_plain_loops(seed: int, turns: int) -> None:
    model, batch = Model(seed), batch_of(seed)
    found = SelfDrafts(IDS, turns)(model, batch)
    assert model.calls == turns
    length = batch["target"].size(1)
    for row, sequence in enumerate(batch["sequences"]):
        places = [i for i in range(length) if batch["role"][row, i] == TokenRole.SYNTAX]
        text = list(sequence)
        for place in places:
            text[place - length] = MASK
        for turn in range(turns):
            said = list(text)
            for place in places:
                left = text[place - length - 1]
                logits = (model.own[text[place - length]] + model.left[left]).double()
                logits[[MASK, BANNED]] = -torch.inf
                p = logits.softmax(0).tolist()
                number = (batch["draws"][row, place].item() + 0.6180339887 * turn) % 1
                total, word = 0.0, 0
                while total + p[word] <= number:
                    total, word = total + p[word], word + 1
                said[place - length] = word
            text = said
        assert found["sequences"][row] == text
        for i in range(length):
            role = batch["role"][row, i]
            if i in places and text[i - length] == batch["target"][row, i]:
                role = TokenRole.CLEAN
            assert found["role"][row, i] == role


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 1, exclude_max=True))
@settings(deadline=None)
def test_what_cannot_be_is_not_drawn(weights: list[float], number: float) -> None:
    p = torch.tensor([*weights, 0.5])
    word = drawn((p / p.sum())[None], torch.tensor([number]))
    assert p[word.item()] > 0


def test_draws_follow_the_distribution() -> None:
    p = torch.tensor([0.1, 0.0, 0.6, 0.3])
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn(p.expand(20_000, 4), uniform), minlength=4) / 20_000
    torch.testing.assert_close(shares, p, atol=0.015, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_without_drafts_rows_are_as_they_were(seed: int) -> None:
    plain, drafted = batch_of(seed, drafts=False), batch_of(seed)
    assert not plain["draws"].any()
    assert drafted["draws"].any()
    assert plain["sequences"] == drafted["sequences"]
    assert torch.equal(plain["role"], drafted["role"])


def recipe(stage: str, **optimisation: Any) -> Recipe:
    raw = toy().model_dump(mode="json")
    raw["stages"][stage] |= {"self_drafts": 2, "syntax_rate": 0.5}
    raw["stages"][stage]["optimisation"] |= {"steps": 6, **optimisation}
    return Recipe.model_validate(raw)


def assert_near(one: list[dict[str, float]], other: list[dict[str, float]]) -> None:
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        losses = {name: value for name, value in a.items() if name.startswith("loss")}
        assert {name: b[name] for name in losses} == pytest.approx(losses, rel=2e-4, abs=2e-4)


def test_micro_batches_change_no_loss(trained: Path, tmp_path: Path) -> None:
    """Of Stage II, where some have no row of Stage I."""
    whole = made(trained, tmp_path / "whole", recipe("stage2"), "stage2")
    parts = made(trained, tmp_path / "parts", recipe("stage2", micro_batch=2), "stage2")
    logs = [read_log(folder / "log.jsonl") for folder in (whole, parts)]
    assert "loss_syntax" in logs[0][-1]
    assert_near(*logs)


def test_a_training_that_is_killed_ends_as_an_unbroken_one(trained: Path, tmp_path: Path) -> None:
    wanted = recipe("stage1", steps=14, save_every=2)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(wanted.model_dump(mode="json"), sort_keys=False))
    whole, broken = made(trained, tmp_path / "whole", wanted, "stage1"), tmp_path / "broken"
    shutil.copytree(trained / "base", broken / "base")
    killed_when(
        lambda: len(saved_states(broken / "stage1")) > 0,
        "train", "--recipe", path, "--out", broken, "--stage", "stage1",
    )  # fmt: skip
    assert not (broken / "stage1" / "stage.json").is_file()
    assert train(wanted, broken, only=["stage1"]) == ["stage1"]
    first, second = weights(whole), weights(broken / "stage1")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_drafts_are_in_the_plan() -> None:
    """A forward pass is a third of a step without them."""
    hours = []
    for drafts in (0, 1, 3):
        raw = toy().model_dump(mode="json")
        raw["stages"]["stage1"]["self_drafts"] = drafts
        stages = plan(Recipe.model_validate(raw), processes=1, tflops=1.0)
        hours += [stage.hours for stage in stages if stage.stage == "stage1"]
    assert hours[1] / hours[0] == pytest.approx(4 / 3)
    assert hours[2] / hours[0] == pytest.approx(2)
