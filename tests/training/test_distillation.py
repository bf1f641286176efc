"""Distillation: drafts as data, in place of the true answers."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from toy_recipes import toy, weights
from transformers import PreTrainedTokenizerFast

from rediff.captioners.autoregressive import AutoregressiveCaptioner, FirstOfTies
from rediff.captioners.base import Caption, Decoding
from rediff.captioners.model_folder import load_captioner
from rediff.data.records import TextEdit, Turn
from rediff.models.checkpoint import Checkpoint
from rediff.training.distillation import drafts_as_answers
from rediff.training.draft_records import DRAFTS, Draft, pad_words, read_lines, write_lines
from rediff.training.drafting import DraftRequest, drafter_of
from rediff.training.items import Item
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.stages.base import Run


def recipe(**stages: Any) -> Recipe:
    raw = toy().model_dump(mode="json")
    raw["stages"] |= stages
    return Recipe.model_validate(raw)


def own(kind: str) -> dict[str, Any]:
    """A stage that learns from what `stage1` drafts."""
    optimisation = toy().stages["stage1"].model_dump(mode="json")["optimisation"]
    return {"kind": kind, "start": "stage1", "data": ["drafts"], "optimisation": optimisation}


@pytest.fixture
def root(trained: Path, tmp_path: Path) -> Path:
    """With the drafts of a toy cut short and its stops left out: it fills its canvas."""
    for name in ("stage1", "drafts"):
        shutil.copytree(trained / name, tmp_path / name)
    path = tmp_path / "drafts" / DRAFTS
    drafts = list(read_lines(path, Draft))
    cut = [
        pad_words([word for word in draft.words[: 9 + number] if word != "."], len(draft.words))
        for number, draft in enumerate(drafts)
    ]
    write_lines(
        path,
        [
            draft.model_copy(update={"words": words})
            for draft, words in zip(drafts, cut, strict=True)
        ],
    )
    return tmp_path


def test_items_say_what_the_drafts_said(root: Path) -> None:
    run = Run(recipe(), root, root / "any")
    drafts = list(read_lines(root / "drafts" / DRAFTS, Draft))
    items = run.items("drafts", "describe it .")
    assert [item.id for item in items] == [draft.id for draft in drafts]
    tokenizer = PreTrainedTokenizerFast.from_pretrained(root / "stage1" / "model")
    for draft, item in zip(drafts, items, strict=True):
        ((turn,),) = item.dialogues
        assert tokenizer.tokenize(turn.answer) == [word for word in draft.words if word]
        assert item.known is not None
    assert run.registered(["drafts", "captions"]) == ("captions", "captions")


def test_an_answer_keeps_the_turns_before_it_and_the_true_answer_stays_where_a_draft_is_none(
    root: Path,
) -> None:
    turns = (Turn("what is it ?", "a star ."), Turn("how big ?", "it is small ."))
    item = Item("a", Image.new("RGB", (8, 8)), ((Turn("say it .", "no ."),), turns))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(root / "stage1" / "model")

    def draft(words: list[str], length: int) -> Draft:
        return Draft(id="a", dialogue=1, tokens_per_step=1, nfe=4, words=pad_words(words, length))

    told, stays = drafts_as_answers(
        [
            draft(["it", "is", "big", "."], 4),
            draft(["it", "is", ".", "."], 6),
            draft([], 6),
            draft(["it", "<|mdm_mask|>", "big"], 6),
            draft(["it", "is", "big", "."], 6),
        ],
        {"a": item},
        tokenizer,
    )
    assert list(stays) == [
        "it did not end within its canvas",
        "its text has a token that the tokenizer does not know",
        "it says nothing",
        "it has a special token",
    ]
    answers = [*["it is small ."] * 4, "it is big."]
    assert [one.dialogues for one in told] == [
        ((turns[0], Turn("how big ?", answer)),) for answer in answers
    ]


def test_the_fault_of_a_broken_answer_goes_with_it(root: Path) -> None:
    """A record whose answer was broken on purpose: its edits fit no other text."""
    edits = (TextEdit("big", "small"),)
    broken = Item("a", Image.new("RGB", (8, 8)), ((Turn("say it .", "it is big ."),),), edits=edits)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(root / "stage1" / "model")
    drafts = [
        Draft(id="a", dialogue=0, tokens_per_step=1, nfe=4, words=pad_words(words, 6))
        for words in (["a", "big", "star", "."], ["it"] * 6)
    ]
    (told, kept), stays = drafts_as_answers(drafts, {"a": broken}, tokenizer)
    assert stays == {"it did not end within its canvas": ["a"]}
    assert told.truth(0) == "a big star."
    assert kept == broken
    assert kept.truth(0) == "it is small ."


@pytest.mark.parametrize("kind", ["predict", "revise"])
def test_a_stage_learns_from_drafts(root: Path, kind: str) -> None:
    """And from other words than the true ones."""
    arms = {"own": own(kind), "true": {**own(kind), "data": ["captions"]}}
    assert train(recipe(**arms), root, only=list(arms)) == list(arms)
    told, true = weights(root / "own"), weights(root / "true")
    assert any(not torch.equal(told[name], true[name]) for name in told)


def test_an_autoregressive_teacher_drafts_what_it_captions(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "left-to-right", tmp_path / "left-to-right")
    drafts = {"kind": "drafts", "start": "left-to-right", "sampler": "greedy",
              "tokens_per_step": [1], "pictures": 6, "batch_size": 4}  # fmt: skip
    train(recipe(told=drafts), tmp_path, only=["told"])
    told = list(read_lines(tmp_path / "told" / DRAFTS, Draft))
    captioner = load_captioner(tmp_path / "left-to-right" / "model")
    assert isinstance(captioner, AutoregressiveCaptioner)
    prompt = captioner.checkpoint.config.prompt
    items = Run(recipe(), tmp_path, tmp_path / "any").items("captions", prompt)[:6]
    assert [draft.id for draft in told] == [item.id for item in items]
    asked = [DraftRequest(item, item.asked, 1).asked() for item in items]
    captions = captioner.caption(asked, Decoding(sampler=None, steps=1))
    for draft, caption in zip(told, captions, strict=True):
        assert isinstance(caption, Caption)
        ids = captioner.checkpoint.tokenizer.convert_tokens_to_ids(
            [word for word in draft.words if word]
        )
        assert captioner.checkpoint.text(ids) == caption.text
        assert draft.nfe == caption.nfe


@settings(deadline=None)
@given(st.integers(0, 999), st.floats(0.01, 1))
def test_of_tied_words_the_first_is_taken(seed: int, ratio: float) -> None:
    torch.manual_seed(seed)
    scores = 2 * torch.randn(3, 7)
    chosen = FirstOfTies(ratio)(torch.zeros(3, 0), scores)
    for row, probabilities in zip(chosen, scores.double().softmax(-1).tolist(), strict=True):
        least = ratio * max(probabilities)
        close = [w for w, p in enumerate(probabilities) if p == pytest.approx(least, rel=1e-5)]
        assume(not close or ratio == 1)
        first = next(w for w, p in enumerate(probabilities) if p >= least * (1 - 1e-9))
        assert row.argmax() == first
        assert row.isfinite().sum() == 1


def test_a_teacher_takes_the_same_of_words_that_are_about_as_likely(
    trained: Path, tmp_path: Path
) -> None:
    """At a ratio of nearly nothing all words are tied, and every caption is of the first."""
    shutil.copytree(trained / "left-to-right", tmp_path / "left-to-right")
    drafts = {"kind": "drafts", "start": "left-to-right", "sampler": "greedy",
              "tokens_per_step": [1], "pictures": 2}  # fmt: skip
    stages = {"told": drafts, "one": {**drafts, "ties": 1.0}, "tied": {**drafts, "ties": 1e-30}}
    made = recipe(**stages)
    train(made, tmp_path, only=list(stages))
    told, one, tied = (
        [draft.words for draft in read_lines(tmp_path / name / DRAFTS, Draft)] for name in stages
    )
    assert one == told
    assert tied != told
    assert tied[0] == tied[1]
    assert len(set(tied[0])) == 1


@pytest.mark.parametrize(("sampler", "budgets"), [("refine", [1]), ("greedy", [1, 2])])
def test_an_autoregressive_teacher_writes_one_token_a_pass(
    sampler: str, budgets: list[int], trained: Path
) -> None:
    checkpoint = Checkpoint.load(trained / "left-to-right" / "model")
    with pytest.raises(ValueError, match="an autoregressive model drafts with `sampler: greedy`"):
        drafter_of(checkpoint, sampler, budgets, 4)
