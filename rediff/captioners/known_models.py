"""Models that are called by a name: the shipped ones, and those of `known_models.yaml`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from rediff import captioners
from rediff.models.config import CONFIG_FILE

WORKERS = Path(__file__).parent / "workers"
AS_WORKER = "worker"
SHIPPED_ORDER = ("base", "control", "stage1", "rediff", "rediff-self", "ar")


class KnownModel(BaseModel):
    """A row of `known_models.yaml`.

    `worker`: the template of a worker file, for a model that does not run natively, or beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    id: str
    kind: str
    loads: str
    decodes: str
    licence: str
    sampler: str | None = None
    worker: str | None = None

    @property
    def template(self) -> Path | None:
        """The template of its worker file; None where there is none."""
        return None if self.worker is None else WORKERS / self.worker

    @property
    def runs(self) -> str:
        """How it runs here."""
        if self.worker is None:
            return self.loads
        return f"{'' if self.loads == AS_WORKER else f'{self.loads}, or '}worker {self.worker}"

    def why_not(self) -> str | None:
        """Why its name alone does not run it here; None if it does."""
        if self.loads == AS_WORKER:
            return f"runs as a worker: copy {self.template}, and name the copy as worker:FILE"
        if self.loads.startswith("not yet: "):
            reason = self.loads.removeprefix("not ")
            return f"does not run here {reason}; a worker of yours can (docs/extending.md)"
        return None


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
