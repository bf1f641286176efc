"""The embedded scenes as training data: captions, sentences, plain sentences and questions."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from PIL import Image
from transformers import SiglipImageProcessorPil

from rediff.data.dialogue import CAPTION_PROMPT
from rediff.data.records import Turn
from rediff.models.chat_format import build_tokenizer
from rediff.models.checkpoint import Checkpoint
from rediff.models.config import CaptionerConfig
from rediff.models.tiny import build_model
from rediff.scenes.answers import question_words
from rediff.scenes.dataset import WORLD_VERSION, load_scenes
from rediff.scenes.dialogues import FAMILIES, LONG, write_dialogue
from rediff.scenes.grammar import thing_meaning, vocabulary, write_plainly, write_thing
from rediff.scenes.parser import tokenize
from rediff.scenes.training.facts import fact_vocabulary
from rediff.scenes.world import Scene
from rediff.training.data import DATA, SECTIONS, DataSource, RecipeSettings, Section
from rediff.training.items import AnsweredDialogue, Item


@SECTIONS.register("scenes")
class SceneSettings(Section):
    """How many scenes, with how many captions and questions each, from which seed.

    Only where there are questions does a model trained from scratch know their words.
    """

    train: int = 8000
    captions: int = 4
    questions: int = 0
    seed: int = 0

    def identity(self) -> dict[str, Any]:
        return {"world": WORLD_VERSION, "scenes": self.model_dump(mode="json")}

    def prompt_tokens(self, recipe: RecipeSettings) -> int:
        with torch.device("meta"):
            return len(tiny_checkpoint(recipe).prompt_ids()) - 1 + recipe.model.image_tokens


def settings_of(recipe: RecipeSettings) -> SceneSettings:
    """The section `scenes` of a recipe."""
    section = recipe.section("scenes")
    assert isinstance(section, SceneSettings)
    return section


def tiny_checkpoint(recipe: RecipeSettings) -> Checkpoint:
    """The embedded model with fresh weights, drawn from torch's global generator."""
    words = (*vocabulary(), "user", "assistant", *tokenize(CAPTION_PROMPT))
    asked = question_words() if settings_of(recipe).questions else ()
    tokenizer = build_tokenizer([*words, *asked])
    model, side = recipe.model, recipe.model.image_size
    return Checkpoint(
        model=build_model(model, tokenizer, causal=False),
        tokenizer=tokenizer,
        images=SiglipImageProcessorPil(size={"height": side, "width": side}),
        config=CaptionerConfig(
            kind="diffusion", canvas=recipe.canvas, image_tokens=model.image_tokens
        ),
    )


def scenes_of(recipe: RecipeSettings, root: Path) -> datasets.Dataset:
    """The scenes of a recipe, made once and kept below `root`."""
    scenes = settings_of(recipe)
    name = f"scenes-{WORLD_VERSION}-{scenes.seed}-{scenes.train}-{scenes.captions}"
    folder = root / name
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


def caption_items(recipe: RecipeSettings, root: Path, prompt: str, seed: int) -> list[Item]:
    """Scenes with all their captions, as answers to `prompt`."""
    return [
        Item(row_id, image, _answers(prompt, captions), known=Scene.from_json(text))
        for row_id, image, captions, text in _rows(scenes_of(recipe, root))
    ]


def sentence_items(
    recipe: RecipeSettings, root: Path, prompt: str, seed: int, *, plain: bool
) -> list[Item]:
    """Single sentences about each thing of a scene, as many wordings as there are captions.

    `plain`: all of one form and one wording.
    """
    rng = np.random.default_rng(seed)
    items = []
    for row_id, image, captions, text in _rows(scenes_of(recipe, root)):
        meanings = [thing_meaning(thing) for thing in Scene.from_json(text).things]
        sentences = [
            write_plainly(meaning) if plain else write_thing(meaning, rng)
            for meaning in meanings * (1 if plain else len(captions))
        ]
        items.append(Item(row_id, image, _answers(prompt, sentences)))
    return items


def question_items(
    recipe: RecipeSettings,
    root: Path,
    prompt: str,
    seed: int,
    *,
    mark: str,
    only: Collection[str],
) -> list[Item]:
    """Scenes with questions, instructions and two-turn dialogues about each.

    Their families take turns, and drafts answer the first, so that drafts are of all families.
    `mark`: ends the items' ids. `only`: families that are kept.
    """
    settings, families = settings_of(recipe), list(FAMILIES)
    items = []
    for number, (row_id, image, _, text) in enumerate(_rows(scenes_of(recipe, root))):
        scene, rng = Scene.from_json(text), np.random.default_rng([settings.seed, number])
        order = [families[(number + turn) % len(families)] for turn in range(settings.questions)]
        dialogues = [(family, write_dialogue(scene, family, rng)) for family in order]
        turns = tuple(
            tuple(map(Turn, texts[::2], texts[1::2]))
            for family, texts in dialogues
            if family in only
        )
        if turns:
            items.append(Item(f"{row_id}-{mark}", image, turns, known=scene))
    return items


def _check_questions(recipe: RecipeSettings) -> str | None:
    if settings_of(recipe).questions:
        return None
    return "say how many there are of each scene, as 'questions' of 'scenes'"


def _questions(mark: str, only: Collection[str]) -> DataSource:
    items = functools.partial(question_items, mark=mark, only=only)
    return DataSource(items=items, facts=fact_vocabulary, check=_check_questions)


def _answers(prompt: str, texts: Sequence[str]) -> tuple[AnsweredDialogue, ...]:
    return tuple((Turn(prompt, text),) for text in texts)


def _rows(data: datasets.Dataset) -> Iterator[tuple[str, Image.Image, list[str], str]]:
    for row in data:  # by columns, each would decode the pictures again
        yield row["id"], row["image"], row["captions"], row["scene"]


for _name, _source in {
    "captions": DataSource(items=caption_items, facts=fact_vocabulary),
    "sentences": DataSource(
        items=functools.partial(sentence_items, plain=False), facts=fact_vocabulary
    ),
    "plain": DataSource(items=functools.partial(sentence_items, plain=True), facts=fact_vocabulary),
    "questions": _questions("asked", FAMILIES),
    "instructions": _questions("instructed", [LONG]),
    "short-questions": _questions("asked-shortly", [name for name in FAMILIES if name != LONG]),
}.items():
    DATA.add(_name, _source, module=__name__)
