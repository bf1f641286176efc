"""Corrections that no expert made: the model's own slow repair, and its errors in true answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from toy_recipes import toy, weights

from rediff.data.records import TextEdit, Turn
from rediff.decoding.canvas import SpecialIds
from rediff.models.anyres import ImageBatch
from rediff.training.corruption import TokenRole
from rediff.training.data_order import BatchPosition
from rediff.training.draft_records import Correction, Draft, read_lines
from rediff.training.edits import END
from rediff.training.examples import Answer, Example, Revision
from rediff.training.foundational_revision import FoundationalRevision
from rediff.training.items import Item
from rediff.training.objectives import MaskRatio
from rediff.training.pipeline import train
from rediff.training.recipe import Recipe
from rediff.training.self_correction import SelfCorrection
from rediff.training.stages.base import Run

STAGES: dict[str, Any] = {
    "repair": {"kind": "expert", "expert": "repair", "drafts": "drafts", "start": "stage1",
               "sampler": "repair"},
    "fills": {"kind": "fills", "start": "stage1", "pictures": 3, "at_once": [4, 16], "sure": 0.0},
}  # fmt: skip


def recipe(**changes: Any) -> Recipe:
    raw = toy().model_dump(mode="json")
    raw["stages"] |= {name: {**stage, **changes.get(name, {})} for name, stage in STAGES.items()}
    raw["stages"]["both"] = {**raw["stages"]["stage2"], "corrections": ["repair", "fills"]}
    return Recipe.model_validate(raw)


def corrections(folder: Path) -> list[Correction]:
    return list(read_lines(folder / "corrections.jsonl", Correction))


@pytest.fixture(scope="module")
def made(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("without-expert")
    for need in ("stage1", "drafts"):
        shutil.copytree(trained / need, root / need)
    assert sorted(train(recipe(), root, only=[*STAGES, "both"])) == ["both", "fills", "repair"]
    return root


def test_repair_begins_with_the_drafts_and_keeps_their_lengths(made: Path) -> None:
    drafts = list(read_lines(made / "drafts" / "drafts.jsonl", Draft))
    repaired = corrections(made / "repair")
    assert [correction.draft for correction in repaired] == drafts
    assert any(correction.segments for correction in repaired)
    for correction in repaired:
        before, after = correction.draft.words, correction.corrected()
        assert [word == END for word in before] == [word == END for word in after]
    cost = json.loads((made / "repair" / "cost.jsonl").read_text())
    assert cost["nfe"] > 0
    assert cost["dollars"] == 0


def test_fills_are_led_to_true_answers(made: Path) -> None:
    wrong = corrections(made / "fills")
    assert len(wrong) == 6
    assert {correction.draft.tokens_per_step for correction in wrong} == {4, 16}
    assert any(correction.segments for correction in wrong)
    for correction in wrong:
        assert correction.corrected() != correction.draft.words or not correction.segments


def test_right_answers_are_filled_where_data_have_wrong_ones(made: Path) -> None:
    """A wrong answer with its edits, as ViCrit's; and one that leaves no room to stop is told."""
    picture, edits = Image.new("RGB", (24, 24)), (TextEdit("big", "small"),)

    class Given(Run):
        answers = ("the star is big .",)

        def items(self, name: str, prompt: str, *, seed: int = 0) -> list[Item]:
            return [
                Item(str(number), picture, ((Turn("describe it .", answer),),), edits=edits)
                for number, answer in enumerate(self.answers)
            ]

    class TooLong(Given):
        answers = ("it is big . " + "it is . " * 40,)

    stage = recipe().stages["fills"]
    stage.run(Given(toy(), made, made / "pairs"))
    for correction in corrections(made / "pairs"):
        assert " ".join(correction.corrected()).strip() == "the star is small ."
    with pytest.raises(ValueError, match="1 of 1 records have an answer that leaves no room"):
        stage.run(TooLong(toy(), made, made / "too-long"))


def test_the_same_fills_by_another_batch_size(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "stage1", tmp_path / "stage1")
    train(recipe(fills={"batch_size": 1}), tmp_path, only=["fills"])
    assert corrections(tmp_path / "fills") == corrections(made / "fills")


def test_several_corrections_are_learnt_from(made: Path, trained: Path) -> None:
    one, other = weights(made / "both"), weights(trained / "stage2")
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("trust", [True, False])
def test_masks_of_a_draft_can_be_left_without_a_loss(trust: bool) -> None:
    """Of a draft whose correction is trusted at its edits alone."""
    ids = SpecialIds(mask=9, eos=1)
    prompt, words = (0,), torch.tensor([5, 6, 7])
    wrong, right = torch.tensor([5, 6, 7, 1, 1]), torch.tensor([5, 7, 7, 1, 1])
    picture = ImageBatch(torch.zeros(1, 3, 2, 2), (1,), ((2, 2),))
    example = Example(picture, (Answer(prompt, right),), draft=Revision(prompt, wrong, right))
    stage1 = FoundationalRevision(ids, words, None, MaskRatio(), 0.0, 0.0)
    correct = SelfCorrection(ids, stage1, 0.0, 0.5, trust)
    roles = [
        correct(example, BatchPosition(position=place, rows=40, stratum=place)).corrupted.role[0]
        for place in range(40)
    ]
    seen = {TokenRole(role) for row in roles for role in row.tolist()}
    assert {TokenRole.EDIT, TokenRole.KEEP} <= seen
    assert (TokenRole.MASK in seen) is trust
    assert (TokenRole.IGNORED in seen) is not trust
