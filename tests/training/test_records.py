"""Public data in their own formats train a checkpoint in official naming through both stages."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faults
import pytest
import yaml
from programs import inside
from servers import Answer, completion, serving
from toy_records import official_with_data, shrunk

from rediff.models.checkpoint import Checkpoint
from rediff.training.draft_records import Correction, Draft, read_lines
from rediff.training.logs import read_log
from rediff.training.overrides import with_expert
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff.training.stages.expert import ExpertStage


@dataclass
class Expert:
    """Finds fault with the first word of every draft; each first call of a draft fails."""

    calls: Counter[str] = field(default_factory=Counter)
    truths: set[str] = field(default_factory=set)

    def answer(self, method: str, path: str, body: Any) -> Answer:
        if len(body["messages"]) == 1:
            return completion("ready", 1)  # the probe
        text = body["messages"][1]["content"][1]["text"]
        self.calls[text] += 1
        if self.calls[text] == 1:
            return faults.status(503)
        truth, draft = text.split("Right answer: ")[1].split("\n\nDraft: ")
        self.truths.add(truth)
        words = draft.split()
        edits = [{"wrong": words[0], "right": "small", "nth": 1}] if words else []
        return completion(json.dumps({"edits": edits}), 5)


def test_the_papers_recipe_trains_through_every_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIFF_CACHE", str(tmp_path / "cache"))
    source, mixture = official_with_data(tmp_path)
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "out"
    raw = shrunk("rediff-8b")
    recipe.write_text(yaml.safe_dump(raw, sort_keys=False))
    command = ["train", "--recipe", recipe, "--checkpoint", source, "--out", out]
    stages = [part for name in raw["stages"] for part in ("--stage", name)]
    with pytest.raises(ValueError, match="'public' of this recipe needs a `data` FILE"):
        inside(*command, *stages)
    expert = Expert()
    with serving() as server:
        server.answer = expert.answer
        inside(*command, *stages, "--data", mixture, "--expert-url", f"{server.url}/v1")
    # Five pictures at two budgets are ten questions; records of one line have ids of their own.
    assert "expert: o4-mini, 7 replies, 10 tokens in, 50 out" in capsys.readouterr().out
    tallies = json.loads((out / "public" / "tallies.json").read_text())
    assert {name: tally["records"] for name, tally in tallies.items()} == dict.fromkeys(
        ("vicrit", "conversations", "revisions"), 3
    )
    assert set(expert.calls.values()) == {2}
    assert expert.truths == {"a large circle", "a red circle"}, "never a broken caption"
    drafts = list(read_lines(out / "drafts" / "drafts.jsonl", Draft))
    corrections = list(read_lines(out / "expert" / "corrections.jsonl", Correction))
    assert [correction.draft for correction in corrections] == drafts
    assert any(correction.segments for correction in corrections)
    first, second = (read_log(out / name / "log.jsonl")[0] for name in ("revision", "refine"))
    assert "loss_mask" in first
    assert "loss_edit" in second
    assert Checkpoint.load(out / "refine" / "model").config.canvas == 16


@pytest.mark.parametrize("recipe", ["rediff-8b", "rediff-8b-lora", "ablations-8b"])
def test_recipes_of_8b_are_whole(recipe: str) -> None:
    loaded = Recipe.load(find_recipe(recipe))
    for name, export in loaded.export.items():
        assert export.stage in loaded.only([name]).stages
    with pytest.raises(ValueError, match="this recipe asks no server"):
        with_expert(Recipe.load(find_recipe("scenes")), "gpt-x", None)
    with pytest.raises(ValueError, match="`expert_reasoning` describes a model"):
        with_expert(loaded, None, "http://a/v1", reasoning=True)
    changed = with_expert(loaded, "gpt-x", "http://a/v1").stages["expert"]
    assert isinstance(changed, ExpertStage)
    assert changed.server is not None
    assert (changed.server.model, changed.server.thinks) == ("gpt-x", False)
