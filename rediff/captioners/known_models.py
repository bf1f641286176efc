"""Models that are called by a name: the shipped ones, and those of `known_models.yaml`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from rediff import captioners
from rediff.models.config import CONFIG_FILE

SHIPPED_ORDER = ("base", "control", "stage1", "rediff", "ar")


class KnownModel(BaseModel):
    """A row of `known_models.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    id: str
    kind: str
    loads: str
    decodes: str
    licence: str
    sampler: str | None = None


def shipped_folder() -> Path:
    """The folder of the shipped checkpoints."""
    return Path(__file__).parents[1] / "checkpoints"


def shipped_models() -> list[str]:
    """Names of the shipped checkpoints, in the order that tables show them."""
    present = {path.parent.name for path in shipped_folder().glob(f"*/{CONFIG_FILE}")}
    return [name for name in SHIPPED_ORDER if name in present]


def known_models() -> list[KnownModel]:
    """The rows of `known_models.yaml`."""
    text = files(captioners).joinpath("known_models.yaml").read_text(encoding="utf-8")
    return [KnownModel.model_validate(row) for row in yaml.safe_load(text)]
