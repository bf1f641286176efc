"""The recipe of questions beside captions at toy size: the same stages, other truths."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from asking import about
from toy_recipes import toy

import rediff
from rediff.captioners.base import Caption, Decoding
from rediff.captioners.model_folder import load_captioner
from rediff.models.checkpoint import Checkpoint
from rediff.scenes.answers import question_words
from rediff.scenes.dataset import load_scenes
from rediff.scenes.dialogues import FAMILIES, LONG, family_of
from rediff.scenes.oracle import revise
from rediff.scenes.training.data import settings_of
from rediff.scenes.training.experts import correct
from rediff.scenes.training.facts import fact_vocabulary
from rediff.scenes.truth import true_texts
from rediff.scenes.world import Scene
from rediff.training.draft_records import DRAFTS, Correction, Draft, read_lines
from rediff.training.items import Item, before_answer
from rediff.training.pipeline import train
from rediff.training.stages.base import Run
from rediff.training.stages.expert import ExpertStage

RECIPE = toy(name="scenes-qa").only(["qa-rediff", "qa-rediff-self"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("train")
    assert train(RECIPE, root) == list(RECIPE.stages)
    return root


@pytest.fixture(scope="module")
def items(trained: Path) -> dict[str, Item]:
    run = Run(RECIPE, trained, trained / "oracle")
    return {i.id: i for name in ("captions", "questions") for i in run.items(name, "caption it")}


def corrections(trained: Path) -> list[Correction]:
    return list(read_lines(trained / "oracle" / "corrections.jsonl", Correction))


def test_captions_and_questions_of_all_families_are_drafted_and_corrected(
    trained: Path, items: dict[str, Item]
) -> None:
    asked = set()
    for correction in corrections(trained):
        item, number = items[correction.draft.id], correction.draft.dialogue
        said = before_answer(item.dialogues[number])
        asked.add("caption" if said == ("caption it",) else family_of(said))
        assert isinstance(item.known, Scene)
        assert revise(true_texts(item.known, said), correction.corrected()) == []
    assert asked == {"caption", *FAMILIES}


def test_an_expert_that_remembers_a_shape_wrongly_still_has_an_answer(
    trained: Path, items: dict[str, Item]
) -> None:
    stage = ExpertStage(drafts="drafts", expert="weak", error_rate=0.9)
    drafts = [c.draft for c in corrections(trained)]
    weak = [correct(stage, draft, items[draft.id]) for draft in drafts]
    assert len(weak) == len(drafts)
    assert weak != corrections(trained)


def test_dialogues_are_the_same_in_every_stage(trained: Path, items: dict[str, Item]) -> None:
    run = Run(RECIPE, trained, trained / "stage2")
    again = {item.id: item.dialogues for item in run.items("questions", "", seed=5)}
    assert again == {i: item.dialogues for i, item in items.items() if i in again}
    assert {len(dialogues) for dialogues in again.values()} == {settings_of(RECIPE).questions}


def test_instructions_and_short_questions_are_all_questions(trained: Path) -> None:
    """Each dialogue is in one of the two, and a teacher answers instructions alone."""
    run = Run(RECIPE, trained, trained / "distilled")
    families = {}
    for name in ("instructions", "short-questions", "questions"):
        found = [d for item in run.items(name, "") for d in item.dialogues]
        families[name] = Counter(family_of(before_answer(dialogue)) for dialogue in found)
    assert set(families["instructions"]) == {LONG}
    assert LONG not in families["short-questions"]
    assert families["instructions"] + families["short-questions"] == families["questions"]
    teacher = list(read_lines(trained / "teacher-instructions" / DRAFTS, Draft))
    known = {item.id: item for item in run.items("instructions", "")}
    asked = {family_of(before_answer(known[d.id].dialogues[d.dialogue])) for d in teacher}
    assert asked == {LONG}


def test_the_model_knows_the_words_of_questions_and_their_facts(trained: Path) -> None:
    checkpoint = Checkpoint.load(trained / "stage2" / "model")
    vocabulary = checkpoint.tokenizer.get_vocab()
    assert set(question_words()) <= vocabulary.keys()
    facts = fact_vocabulary(checkpoint)
    yes = torch.tensor([vocabulary["yes"]] * 4)
    assert facts.hallucinated_tokens(yes).tolist() == [vocabulary["no"]] * 4
    above = torch.tensor([vocabulary["above"]] * 20)
    below = {vocabulary["below"], vocabulary["under"]}
    assert set(facts.hallucinated_tokens(above).tolist()) == below
    captions_alone = Checkpoint.load(Path(rediff.__file__).parent / "checkpoints" / "base")
    three = captions_alone.tokenizer.get_vocab()["three"]
    assert not fact_vocabulary(captions_alone).is_fact[three]


def test_an_export_answers_in_a_dialogue(trained: Path) -> None:
    captioner = load_captioner(trained / "checkpoints" / "qa-rediff")
    said = ("which shape is red ?", "the star is red .", "where is it ?")
    images = load_scenes("validation", 1)["image"][:]
    (reply,) = captioner.caption(about(images, [said]), Decoding(steps=8))
    assert isinstance(reply, Caption)
