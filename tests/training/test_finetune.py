"""Fine-tuning on one's own pictures with captions, from the file to the closing table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rediff.data.formats import read_records
from rediff.data.mixture import Mixture
from rediff.data.records import Dropped
from rediff.models.checkpoint import Checkpoint
from rediff.scenes.dataset import iterate_scenes
from rediff.scenes.render import render
from rediff.training.logs import LOG, read_log
from rediff.training.overrides import with_checkpoint, with_data
from rediff.training.recipe import Recipe
from rediff.training.recipe_files import find_recipe
from rediff.training.stages.base import Run
from rediff.training.stages.records import RecordsStage

PICTURES = 12


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes as files, with one caption or two."""
    folder = tmp_path_factory.mktemp("pairs")
    lines = []
    for number, scene in zip(range(PICTURES), iterate_scenes("validation"), strict=False):
        render(scene).save(folder / f"{number}.png")
        caption = "there is a red star."
        captions = {"captions": [caption, caption]} if number % 2 else {"caption": caption}
        lines.append(json.dumps({"file_name": f"{number}.png", **captions}))
    (folder / "pairs.jsonl").write_text("\n".join(lines))
    return folder / "pairs.jsonl"


def test_each_caption_is_a_record_that_answers_the_models_own_request(
    trained: Path, pairs: Path, tmp_path: Path
) -> None:
    start = trained / "stage1" / "model"
    recipe = with_checkpoint(Recipe.load(find_recipe("finetune")), start)
    recipe = with_data(recipe, pairs)
    assert recipe.canvas == Checkpoint.load(start).config.canvas
    stage = recipe.stages["pairs"]
    assert isinstance(stage, RecordsStage)
    (tmp_path / "pairs").mkdir()
    run = Run(recipe, tmp_path, tmp_path / "pairs")
    stage.run(run)
    items = run.items("pairs", "what is it ?")
    assert len(items) == PICTURES * 3 // 2
    assert len({item.id for item in items}) == len(items)
    assert {turn.question for item in items for (turn,) in item.dialogues} == {"what is it ?"}


def test_one_command_trains_stops_and_says_before_and_after(
    trained: Path, pairs: Path, tmp_path: Path
) -> None:
    raw = Recipe.load(find_recipe("finetune")).model_dump(mode="json", exclude_unset=True)
    raw["stages"]["finetune"]["optimisation"] |= {"steps": 4, "batch_size": 4}
    raw["stages"]["finetune"]["validation"] |= {"every": 2}
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    done = subprocess.run(
        [sys.executable, "-m", "rediff_eval", "train", "--recipe", tmp_path / "short.yaml",
         "--data", pairs, "--checkpoint", trained / "stage1" / "model", "--out", tmp_path / "out",
         "--tensorboard"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    entries = read_log(tmp_path / "out" / "finetune" / LOG)
    assert {entry["step"] for entry in entries if "validation" in entry} == {2, 4}
    held = (tmp_path / "out" / "finetune" / "held-out.jsonl").read_text().splitlines()
    assert len(held) == round(0.1 * PICTURES)
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard" / "finetune"))
    events.Reload()
    for name in ("loss", "loss_mask", "learning_rate", "validation"):
        shown = {event.step: event.value for event in events.Scalars(name)}
        logged = {entry["step"]: entry[name] for entry in entries if name in entry}
        assert shown == pytest.approx(logged)
    table = (tmp_path / "out" / "leaderboard" / "leaderboard.md").read_text()
    assert "finetuned" in table
    assert "model" in table


def test_a_picture_without_a_caption_is_named(pairs: Path) -> None:
    bad = pairs.with_name("bad.jsonl")
    bad.write_text('{"image": "0.png", "captions": []}\n{"caption": "a star."}')
    (source,) = Mixture.load(bad).sources.values()
    assert list(read_records(source.format, source.path, source.images)) == [
        Dropped(f"{bad}:1", "no 'caption'"),
        Dropped(f"{bad}:2", "no 'image'"),
    ]
