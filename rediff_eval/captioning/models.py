"""Models by name: shipped, known by the paper's tables, in a folder, on a hub, or elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

import rediff
from rediff.models.config import CARD
from rediff.io.hub import is_hub_id
from rediff.io.suggest import unknown

SHIPPED_ORDER = ("base", "control", "stage1", "rediff", "ar")
SCENES_ONLY = (
    "was trained on the embedded scenes alone: what it says of other pictures means nothing"
)
Kind = Literal["folder", "hub", "openai", "captions", "worker"]
SCHEMES: tuple[Kind, ...] = ("openai", "captions", "worker")


class KnownModel(BaseModel):
    """A row of `models.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    id: str
    kind: str
    loads: str
    decodes: str
    licence: str
    sampler: str | None = None


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model and, where one was asked for by `NAME:SAMPLER`, the sampler to decode it with.

    `where`: a folder or file, a hub id, or the name that a server knows the model by.
    """

    name: str
    kind: Kind
    where: str
    sampler: str | None = None


def shipped_folder() -> Path:
    """Where the shipped checkpoints are."""
    return Path(rediff.__file__).parent / "checkpoints"


def shipped_models() -> list[str]:
    """Names of the shipped checkpoints, in the order that tables show them."""
    present = {path.parent.name for path in shipped_folder().glob("*/captioner.json")}
    return [name for name in SHIPPED_ORDER if name in present]


def known_models() -> list[KnownModel]:
    """The rows of `models.yaml`."""
    text = (Path(__file__).parent / "models.yaml").read_text(encoding="utf-8")
    return [KnownModel.model_validate(row) for row in yaml.safe_load(text)]


def find_model(text: str) -> ModelChoice:
    """The model that `text` names, `:SAMPLER` behind it where it takes one of our samplers.

    A shipped model, a known one, a folder, a hub id (OWNER/NAME@REVISION), `openai:MODEL`,
    `captions:FILE` or `worker:FILE`. Raises ValueError naming the nearest name, or saying what is
    wrong with a folder or file, where it is none of these.
    """
    scheme, colon, rest = text.partition(":")
    if colon and scheme in SCHEMES:
        return ModelChoice(Path(rest).stem if scheme != "openai" else rest, scheme, rest)
    name, _, sampler = text.partition(":")
    if name in shipped_models():
        return ModelChoice(name, "folder", str(shipped_folder() / name), sampler or None)
    bare, at, revision = name.partition("@")
    for model in known_models():
        if bare.lower() in (model.name.lower(), model.id.lower()):
            where = f"{model.id}{at}{revision}"
            return ModelChoice(model.name, "hub", where, sampler or model.sampler)
    path = Path(name)
    if path.is_dir():
        return ModelChoice(_name_of(path.resolve()), "folder", name, sampler or None)
    if is_hub_id(name):
        return ModelChoice(name.partition("@")[0].rpartition("/")[2], "hub", name, sampler or None)
    raise unknown("model", name, [*shipped_models(), *(m.name for m in known_models())])


def knows_scenes_only(model: ModelChoice) -> bool:
    """Whether a model was made by our pipeline on the embedded scenes: its card fixes the tokens of
    a picture, which no other checkpoint does."""
    card = Path(model.where) / CARD
    if model.kind != "folder" or not card.is_file():
        return False
    return json.loads(card.read_text(encoding="utf-8")).get("image_tokens") is not None


def distinct(models: Sequence[ModelChoice]) -> tuple[ModelChoice, ...]:
    """The models without repetitions, each name standing for one model.

    Models of the same name are called by where they are.
    """
    unique = list(dict.fromkeys(models))
    places: dict[str, set[tuple[str, str]]] = {}
    for model in unique:
        places.setdefault(model.name, set()).add((model.kind, model.where))
    return tuple(replace(m, name=m.where) if len(places[m.name]) > 1 else m for m in unique)


def _name_of(folder: Path) -> str:
    """A checkpoint is called by its folder; the `model` of a training stage, by the stage."""
    return folder.parent.name if folder.name == "model" else folder.name
