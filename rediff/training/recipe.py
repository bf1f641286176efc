"""Recipes: a whole training run as one strict YAML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from rediff.decoding.registry import find_sampler
from rediff.io.strict_yaml import check_form, form_keys
from rediff.io.suggest import unknown
from rediff.models.tiny import TinyConfig
from rediff.training.data import DATA, SECTIONS, Section
from rediff.training.recipe_files import read_recipe
from rediff.training.stages.base import REFERENCES, STAGES, Stage, data_of, needs, references
from rediff.training.strict import Strict


class Export(Strict):
    """A stage's checkpoint under the name that it is shipped by, with its default sampler."""

    stage: str
    sampler: str = "mask-predict"


def _stage(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return STAGES[str(value.get("kind"))].model_validate(value)


class Recipe(Strict):
    """Stages by name, each after those that it needs, and the checkpoints to export.

    `canvas`: response length in tokens. `model`: sizes of a model trained from scratch. `sections`:
    settings of data sources by name; in a file they are beside the other keys, as `scenes:`.
    """

    canvas: int = 80
    model: TinyConfig = TinyConfig()
    sections: dict[str, SerializeAsAny[Section]] = Field(default_factory=dict)
    stages: dict[str, Annotated[SerializeAsAny[Stage], BeforeValidator(_stage)]]
    export: dict[str, Export]

    @model_validator(mode="before")
    @classmethod
    def _gather_sections(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        given = {**raw.get("sections", {}), **{k: v for k, v in raw.items() if k in SECTIONS}}
        sections = {
            name: found if isinstance(found := given.get(name, {}), Section) else kind(**found)
            for name, kind in SECTIONS.items()
        }
        rest = {key: value for key, value in raw.items() if key not in SECTIONS}
        return {**rest, "sections": sections}

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Reads and checks a recipe file; see `read_recipe` for its settings from other files.

        Raises:
            ValueError: naming the file: as `load_yaml` and `read_recipe`, or for a stage that
                depends on one that is not defined above it.
        """
        raw = read_recipe(path)
        recipe = check_form(path, _with_checked_parts(path, raw), cls, keys=list(SECTIONS))
        recipe.check(path)
        return recipe

    def section(self, name: str) -> Section:
        """The settings of a data source. Raises ValueError if no source has that name."""
        if name not in self.sections:
            raise unknown("section of a recipe", name, self.sections)
        return self.sections[name]

    def check(self, path: Path) -> None:
        """Raises ValueError naming `path` for stages or exports that do not fit each other."""
        known: set[str] = set()
        for name, stage in self.stages.items():
            if name in DATA:
                raise ValueError(f"{path}: {name!r} is the name of built-in data, not of a stage")
            for data in data_of(stage):
                if data in DATA and (lack := DATA[data].check(self)):
                    raise ValueError(f"{path}: stage {name!r} learns from {data!r}: {lack}")
            for need in needs(stage):
                if need not in known:
                    raise ValueError(
                        f"{path}: stage {name!r} depends on {need!r}, which is not defined above it"
                    )
            self._check_parts(path, name, stage)
            if problem := stage.problem(self):
                raise ValueError(f"{path}: stage {name!r}: {problem}")
            known.add(name)
        for name, export in self.export.items():
            if export.stage not in known:
                raise ValueError(f"{path}: export {name!r}: no stage is called {export.stage!r}")
            self._check_parts(path, name, export)

    def _check_parts(self, path: Path, name: str, part: Stage | Export) -> None:
        """Checks the kinds of the stages that a stage or an export reads, and its sampler."""
        for field, need in references(part):
            if self.stages[need].makes not in REFERENCES[field]:
                kinds = [kind for kind, own in STAGES.items() if own.makes in REFERENCES[field]]
                raise ValueError(
                    f"{path}: {field!r} of {name!r} takes a stage of kind {' or '.join(kinds)};"
                    f" {need!r} is of kind {self.stages[need].kind}"
                )
        sampler = getattr(part, "sampler", None)
        if sampler and sampler not in getattr(part, "further_samplers", ()):
            try:
                find_sampler(sampler)
            except ValueError as error:
                raise ValueError(f"{path}: {name!r}: {error}") from error

    def check_names(self, stages: Iterable[str]) -> None:
        """Raises ValueError for a name that no stage has, suggesting the nearest."""
        for name in stages:
            if name not in self.stages:
                raise unknown("stage", name, self.stages)

    def with_stages(self, changed: Mapping[str, Stage]) -> Recipe:
        """The recipe with some of its stages changed."""
        return self.model_copy(update={"stages": {**self.stages, **changed}})

    def only(self, exports: Sequence[str]) -> Recipe:
        """The recipe of some exports and their stages. Raises ValueError for an unknown one."""
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


def _with_checked_parts(path: Path, raw: Any) -> Any:
    """The values of a file with its stages and sections in their own forms, each checked alone."""
    if not isinstance(raw, dict) or not isinstance(raw.get("stages"), dict):
        return raw
    keys = sorted({key for kind in STAGES.values() for key in form_keys(kind)})
    stages = {}
    for name, body in raw["stages"].items():
        if not isinstance(body, dict):
            raise ValueError(f"{path}: stages.{name}: expected the settings of a stage")
        try:
            kind = STAGES[str(body.get("kind"))]
        except ValueError as error:
            raise ValueError(f"{path}: stages.{name}: {error}") from error
        stages[name] = check_form(path, body, kind, at=f"stages.{name}", keys=keys)
    sections = {
        name: check_form(path, raw[name], kind, at=name)
        for name, kind in SECTIONS.items()
        if name in raw
    }
    return {**raw, **sections, "stages": stages}
