"""Models by name: the shipped checkpoints, or a checkpoint folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import rediff
from rediff.suggest import unknown

SHIPPED_ORDER = ("base", "control", "stage1", "rediff", "ar")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model and, where one was asked for by `NAME:SAMPLER`, the sampler to decode it with."""

    name: str
    folder: Path
    sampler: str | None = None


def shipped_folder() -> Path:
    """Where the shipped checkpoints are."""
    return Path(rediff.__file__).parent / "checkpoints"


def shipped_models() -> list[str]:
    """Names of the shipped checkpoints, in the order that tables show them."""
    present = {path.parent.name for path in shipped_folder().glob("*/captioner.json")}
    return [name for name in SHIPPED_ORDER if name in present]


def _name_of(folder: Path) -> str:
    """A checkpoint is called by its folder; the `model` of a training stage, by the stage."""
    return folder.parent.name if folder.name == "model" else folder.name


def find_model(text: str) -> ModelChoice:
    """A shipped model's name or a checkpoint folder, either with `:SAMPLER` behind it.

    Raises ValueError naming the nearest shipped model where there is neither.
    """
    name, _, sampler = text.partition(":")
    folder = shipped_folder() / name
    if name in shipped_models():
        return ModelChoice(name, folder, sampler or None)
    path = Path(name)
    if (path / "captioner.json").is_file():
        return ModelChoice(_name_of(path.resolve()), path, sampler or None)
    if path.is_dir():
        raise ValueError(f"{path} is no checkpoint folder: it has no captioner.json")
    raise unknown("model", name, shipped_models())
