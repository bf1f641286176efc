"""A grid of conditions as a file: models x samplers x steps."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from rediff.io.strict_yaml import load_yaml


class Grid(BaseModel):
    """Every sampler at every number of steps with every model.

    `models`: as for `--model`, without samplers. `samplers`: as for `--sampler`; several values of
    an option, as in `OPTION=1|2`, are a grid of their own. `steps`: denoising steps; the task's
    budgets where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(min_length=1)
    samplers: tuple[str, ...] = Field(min_length=1)
    steps: tuple[PositiveInt, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Grid:
        """The grid of a YAML file. Raises ValueError naming the file for a mistake in it."""
        return load_yaml(path, cls)
