"""A recipe with the settings that its file leaves open: seed, checkpoint, data, and expert."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from rediff.data.mixture import Mixture, is_listing
from rediff.models.official import find_official, read_card
from rediff.models.weights import weights_hash
from rediff.training.recipe import Recipe
from rediff.training.stages.checkpoint import CheckpointStage, checkpoint_folders
from rediff.training.stages.expert import ExpertStage
from rediff.training.stages.records import RecordsStage


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The same training once more on the same data, but for the seed.

    Args:
        recipe: stays as it is.
        seed: added to the seed of every stage that draws.
    """
    changed = {
        name: stage.model_copy(update={"seed": stage.seed + seed})
        for name, stage in recipe.stages.items()
        if stage.draws
    }
    return recipe.with_stages(changed)


def with_checkpoint(recipe: Recipe, folder: Path | None) -> Recipe:
    """The recipe, its `checkpoint` stages reading a folder, and its canvas that of the checkpoint
    unless it has its own.

    Args:
        recipe: stays as it is.
        folder: of the checkpoint, or None.

    Raises:
        ValueError: if the recipe needs a checkpoint and there is none, or the other way round.
    """
    wanting = {n: s for n, s in recipe.stages.items() if isinstance(s, CheckpointStage)}
    if not wanting and folder is not None:
        raise ValueError("`checkpoint` is not supported: this recipe trains from scratch")
    if folder is None:
        missing = [name for name, stage in wanting.items() if stage.folder is None]
        if missing:
            raise ValueError(f"stage {missing[0]!r} of this recipe needs a `checkpoint` FOLDER")
        return recipe
    update = {"folder": str(folder.resolve()), "sha256": weights_hash(folder)}
    changed = {name: stage.model_copy(update=update) for name, stage in wanting.items()}
    if "canvas" not in recipe.model_fields_set:
        recipe = recipe.model_copy(
            update={"canvas": read_card(folder, find_official(folder)).canvas}
        )
    return recipe.with_stages(changed)


def with_data(recipe: Recipe, mixture: Path | None) -> Recipe:
    """The recipe, its `records` stages reading the data that a file names.

    Args:
        recipe: stays as it is.
        mixture: the file, or a file that lists pictures with captions, in the words of the
            tokenizer of the recipe's checkpoint; or None.

    Raises:
        ValueError: if the recipe needs data and there are none, or the other way round, and as
            `Mixture.load` does.
    """
    wanting = {n: s for n, s in recipe.stages.items() if isinstance(s, RecordsStage)}
    if not wanting:
        if mixture is not None:
            raise ValueError("`data` is not supported: this recipe makes its own data")
        return recipe
    if mixture is None:
        raise ValueError(f"stage {next(iter(wanting))!r} of this recipe needs a `data` FILE")
    update = {"mixture": str(mixture.resolve()), "sha256": _digest(mixture)}
    if is_listing(mixture):
        update["tokenizer"] = next(iter(checkpoint_folders(recipe.stages)), "")
    changed = {name: stage.model_copy(update=update) for name, stage in wanting.items()}
    return recipe.with_stages(changed)


def with_expert(
    recipe: Recipe,
    model: str | None,
    base_url: str | None,
    *,
    reasoning: bool = False,
    max_tokens: int | None = None,
    key_env: str | None = None,
) -> Recipe:
    """The recipe with `model` at `base_url` as its experts on servers, where these are given.

    Args:
        recipe: whose stages of kind `expert` are changed.
        model: the expert.
        base_url: of its server.
        reasoning: the model given reasons first, and takes no temperature.
        max_tokens: tokens that its reply may have.
        key_env: environment variable of its key.

    Raises:
        ValueError: if the recipe asks no server, or for `reasoning` without a model.
    """
    if reasoning and model is None:
        raise ValueError("`expert_reasoning` describes a model: name it with `expert`")
    given = {
        "model": model,
        "base_url": base_url,
        "max_tokens": max_tokens,
        "key_env": key_env,
    }
    update: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not update:
        return recipe
    if model is not None:
        update["thinks"] = reasoning
    changed = {
        name: stage.model_copy(update={"server": stage.server.model_copy(update=update)})
        for name, stage in recipe.stages.items()
        if isinstance(stage, ExpertStage) and stage.server is not None
    }
    if not changed:
        raise ValueError("`expert` is not supported: this recipe asks no server")
    return recipe.with_stages(changed)


def _digest(mixture: Path) -> str:
    """A hash of a mixture's file and of all data files that it names; pictures are not read."""
    digest = hashlib.sha256()
    paths = (source.path for source in Mixture.load(mixture).sources.values())
    for path in dict.fromkeys((mixture, *paths)):
        if not path.is_file():
            raise ValueError(f"{mixture}: no data file {path}")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
