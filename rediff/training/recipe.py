"""Recipes: a whole training run as one strict YAML file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rediff.data.mixture import Mixture
from rediff.decoding.registry import find_sampler
from rediff.models.tiny import TinyConfig
from rediff.models.weights import weights_hash
from rediff.io.strict_yaml import check_form, read_yaml
from rediff.io.suggest import unknown
from rediff.training.settings import (
    EMBEDDED,
    MAKERS,
    CheckpointStage,
    ExpertStage,
    Export,
    RecordsStage,
    Scenes,
    Stage,
    needs,
    references,
)
from rediff.training.strict import Strict

RECIPES = Path(__file__).parent / "recipes"


class Recipe(Strict):
    """Stages by name, in an order in which each comes after those it needs."""

    canvas: int = 80
    scenes: Scenes = Scenes()
    model: TinyConfig = TinyConfig()
    stages: dict[str, Stage]
    export: dict[str, Export]

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Reads and checks a recipe file.

        With `extends`, a shipped recipe's name or a file's path from this one's folder, it has all
        stages of that one, and its settings unless it says otherwise; but not its exports. Raises
        ValueError as `load_yaml`, or for a stage that needs one which does not come before it.
        """
        recipe = check_form(path, _extended(path, ()), cls)
        recipe.check(path)
        return recipe

    def check(self, path: Path) -> None:
        """Raises ValueError naming `path` for stages or exports that do not fit each other."""
        known: set[str] = set()
        for name, stage in self.stages.items():
            if name in EMBEDDED:
                raise ValueError(f"{path}: {name!r} names embedded data, and can be no stage")
            if "questions" in getattr(stage, "data", ()) and not self.scenes.questions:
                raise ValueError(
                    f"{path}: stage {name!r} learns from 'questions': say how many there are of"
                    " each scene, as 'questions' of 'scenes'"
                )
            for need in needs(stage):
                if need not in known:
                    raise ValueError(
                        f"{path}: stage {name!r} needs {need!r}, which is not before it"
                    )
            self._check_parts(path, name, stage)
            known.add(name)
        for name, export in self.export.items():
            if export.stage not in known:
                raise ValueError(f"{path}: export {name!r} names no stage: {export.stage!r}")
            self._check_parts(path, name, export)

    def _check_parts(self, path: Path, name: str, part: Stage | Export) -> None:
        """That what a stage or an export reads is of the kind it is read as, and its sampler is."""
        for field, need in references(part):
            kind = self.stages[need].kind
            if kind not in MAKERS[field]:
                raise ValueError(
                    f"{path}: {field!r} of {name!r} takes a stage of kind"
                    f" {' or '.join(MAKERS[field])}; {need!r} is of kind {kind}"
                )
        if sampler := getattr(part, "sampler", None):
            try:
                find_sampler(sampler)
            except ValueError as error:
                raise ValueError(f"{path}: {name!r}: {error}") from error

    def with_stages(self, changed: Mapping[str, Stage]) -> Recipe:
        """The recipe with some of its stages changed."""
        return self.model_copy(update={"stages": {**self.stages, **changed}})

    def only(self, exports: Sequence[str]) -> Recipe:
        """The recipe of some exports and what they need. Raises ValueError for an unknown one."""
        for name in exports:
            if name not in self.export:
                raise unknown("export", name, self.export)
        wanted = {self.export[name].stage for name in exports}
        for name in reversed(self.stages):
            if name in wanted:
                wanted |= set(needs(self.stages[name]))
        stages = {name: stage for name, stage in self.stages.items() if name in wanted}
        export = {name: choice for name, choice in self.export.items() if name in exports}
        return self.model_copy(update={"stages": stages, "export": export})


def _extended(path: Path, below: tuple[Path, ...]) -> Any:
    """The plain values of a recipe file with those of what it extends."""
    raw = read_yaml(path)
    if not isinstance(raw, dict) or "extends" not in raw:
        return raw
    if path in below:
        raise ValueError(f"{path}: extends itself")
    own = {key: value for key, value in raw.items() if key != "extends"}
    base = str(raw["extends"])
    parent = path.parent / base
    under = _extended(parent if parent.is_file() else find_recipe(base), (*below, path))
    stages = {**under.get("stages", {}), **(own.get("stages") or {})}
    return {**under, "export": {}, **own, "stages": stages}


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with `seed` added to that of each stage that draws anything: the same training
    once more, on the same scenes or data."""
    return recipe.with_stages(
        {
            name: stage.model_copy(update={"seed": stage.seed + seed})
            for name, stage in recipe.stages.items()
            if not isinstance(stage, CheckpointStage | RecordsStage)
        }
    )


def with_checkpoint(recipe: Recipe, folder: Path | None) -> Recipe:
    """The recipe, its `checkpoint` stages reading `folder`.

    Raises ValueError if the recipe wants a checkpoint and there is none, or the other way round.
    """
    wanting = {n: s for n, s in recipe.stages.items() if isinstance(s, CheckpointStage)}
    if not wanting and folder is not None:
        raise ValueError("this recipe starts from nothing: it takes no `checkpoint`")
    if folder is None:
        missing = [name for name, stage in wanting.items() if stage.folder is None]
        if missing:
            raise ValueError(f"stage {missing[0]!r} of this recipe needs a `checkpoint` FOLDER")
        return recipe
    own = {"folder": str(folder.resolve()), "sha256": weights_hash(folder)}
    changed = {name: stage.model_copy(update=own) for name, stage in wanting.items()}
    return recipe.with_stages(changed)


def with_data(recipe: Recipe, mixture: Path | None) -> Recipe:
    """The recipe, its `records` stages reading what the file `mixture` names.

    Raises ValueError if the recipe wants data and there are none, or the other way round, and as
    `Mixture.load`.
    """
    wanting = {n: s for n, s in recipe.stages.items() if isinstance(s, RecordsStage)}
    if not wanting:
        if mixture is not None:
            raise ValueError("this recipe makes its own data: it takes no `data`")
        return recipe
    if mixture is None:
        raise ValueError(f"stage {next(iter(wanting))!r} of this recipe needs a `data` FILE")
    own = {"mixture": str(mixture.resolve()), "sha256": _digest(mixture)}
    changed = {name: stage.model_copy(update=own) for name, stage in wanting.items()}
    return recipe.with_stages(changed)


def with_expert(
    recipe: Recipe, model: str | None, base_url: str | None, *, thinks: bool = False,
    max_tokens: int | None = None, key_env: str | None = None,
) -> Recipe:  # fmt: skip
    """The recipe, its experts behind servers being `model` at `base_url`, where these are given.

    `thinks`: of the model given; `max_tokens`, `key_env`: see `ServerSpec`. Raises
    ValueError if the recipe asks no server, or for `thinks` without a model.
    """
    if thinks and model is None:
        raise ValueError("`expert_thinks` is said of a model: name it by `expert`")
    given = {
        "model": model, "base_url": base_url, "max_tokens": max_tokens, "key_env": key_env,
    }  # fmt: skip
    if all(value is None for value in given.values()):
        return recipe
    own: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if model is not None:
        own["thinks"] = thinks
    changed = {
        name: stage.model_copy(update={"server": stage.server.model_copy(update=own)})
        for name, stage in recipe.stages.items()
        if isinstance(stage, ExpertStage) and stage.server is not None
    }
    if not changed:
        raise ValueError(
            "this recipe asks no server: it takes no `expert` of another name, address or key"
        )
    return recipe.with_stages(changed)


def _digest(mixture: Path) -> str:
    """A hash of a mixture's file and of all data files that it names; pictures are not read."""
    digest = hashlib.sha256()
    for path in (mixture, *(s.path for s in Mixture.load(mixture).sources.values())):
        if not path.is_file():
            raise ValueError(f"{mixture}: no data file {path}")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def find_recipe(name: str) -> Path:
    """The file of a shipped recipe's name, or `name` itself where it is a file.

    Raises ValueError naming the nearest shipped recipe.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = {path.stem: path for path in RECIPES.glob("*.yaml")}
    if name not in shipped:
        raise unknown("recipe", name, sorted(shipped))
    return shipped[name]
