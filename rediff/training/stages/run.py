"""What a stage is given to run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets

from rediff.data.store import RecordStore
from rediff.models.config import Dtype, read_card
from rediff.models.checkpoint import Checkpoint
from rediff.captioners.loading import pick_device
from rediff.scenes.dataset import WORLD_VERSION, load_scenes
from rediff.training.drafts import Draft
from rediff.training.items import (
    Item,
    RecordItems,
    caption_items,
    question_items,
    sentence_items,
)
from rediff.training.recipe import Recipe
from rediff.training.settings import EMBEDDED, DraftsStage

MODEL = "model"


@dataclass(frozen=True, slots=True)
class Run:
    """A recipe, the folder of its stages' folders, and the folder of the stage that runs."""

    recipe: Recipe
    root: Path
    folder: Path

    def checkpoint(self, stage: str, *, dtype: Dtype) -> Checkpoint:
        """The model that a stage made."""
        return Checkpoint.load(self.root / stage / MODEL, dtype=dtype)

    def decoder(self, stage: str) -> Checkpoint:
        """The same, ready to decode: on a GPU where there is one, in the card's precision."""
        return Checkpoint.load(self.root / stage / MODEL, device=pick_device())

    def prompt_of(self, drafts: str) -> str:
        """What asked for the captions of a stage's drafts."""
        return read_card(self.start_of(drafts)).prompt

    def start_of(self, drafts: str) -> Path:
        """The folder of the checkpoint that wrote a stage's drafts."""
        stage = self.recipe.stages[drafts]
        assert isinstance(stage, DraftsStage)
        return self.root / stage.start / MODEL

    def scenes(self) -> datasets.Dataset:
        """The embedded training data, made once and kept below `root`."""
        scenes = self.recipe.scenes
        name = f"scenes-{WORLD_VERSION}-{scenes.seed}-{scenes.train}-{scenes.captions}"
        folder = self.root / name
        if not folder.is_dir():
            partial = folder.with_suffix(f".{os.getpid()}")
            made = load_scenes("train", scenes.train, captions=scenes.captions, seed=scenes.seed)
            made.save_to_disk(str(partial))
            try:
                partial.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
                shutil.rmtree(partial)  # another process was first
        return datasets.Dataset.load_from_disk(str(folder))

    def items(self, name: str, prompt: str, *, seed: int = 0) -> Sequence[Item]:
        """The data of that name. `prompt`: what asks for a caption."""
        if name == "captions":
            return caption_items(self.scenes(), prompt)
        if name == "questions":
            scenes = self.recipe.scenes
            return question_items(self.scenes(), scenes.questions, seed=scenes.seed)
        if name in EMBEDDED:
            return sentence_items(self.scenes(), prompt, plain=name == "plain", seed=seed)
        return RecordItems(RecordStore(self.root / name))

    def items_of(
        self, drafts: Iterable[Draft], data: Sequence[str], prompt: str
    ) -> dict[str, Item]:
        """The items that drafts are about by their ids, of several data.

        Raises ValueError naming one that is not among them.
        """
        wanted = {draft.id for draft in drafts}
        found = {
            item.id: item for name in data for item in self.items(name, prompt) if item.id in wanted
        }
        if missing := wanted - found.keys():
            raise ValueError(f"no picture {min(missing)!r} in the training data")
        return found
