"""Training data that code registers: generated, not read from public files.

The embedded scenes are one such source (`rediff.scenes.training`). A source may need settings of
its own in a recipe: a section, as `scenes:`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rediff.models.checkpoint import Checkpoint
from rediff.models.tiny import TinyConfig
from rediff.plugins import TRAINING, Registry
from rediff.training.facts import FactVocabulary
from rediff.training.items import Item
from rediff.training.strict import Strict


class RecipeSettings(Protocol):
    """The part of a recipe that a data source sees."""

    @property
    def canvas(self) -> int: ...
    @property
    def model(self) -> TinyConfig: ...
    def section(self, name: str) -> Section:
        """The settings of a data source."""
        ...


class Section(Strict):
    """Settings of a data source in a recipe. All have defaults."""

    def identity(self) -> dict[str, Any]:
        """The values on which a stage's output depends, as plain JSON values."""
        return {}

    def prompt_tokens(self, recipe: RecipeSettings) -> int:
        """Tokens of picture and prompt in a row of this data, for estimates."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Data of one name.

    `items`: makes them from the recipe, the folder of all stages, the prompt that asks for a
    caption, and the stage's seed. `facts`: the words of a checkpoint's tokenizer that state facts.
    `check`: None, or a clause that names the missing part of the recipe.
    """

    items: Callable[[RecipeSettings, Path, str, int], Sequence[Item]]
    facts: Callable[[Checkpoint], FactVocabulary]
    check: Callable[[RecipeSettings], str | None] = lambda recipe: None


DATA = Registry[DataSource]("training data", TRAINING)
SECTIONS = Registry[type[Section]]("section of a recipe", TRAINING)


def fact_vocabulary(names: Sequence[str], checkpoint: Checkpoint) -> FactVocabulary | None:
    """The facts of the first of some data that has any.

    Args:
        names: of registered data.
        checkpoint: whose tokens spell the facts.

    Returns:
        None for none of them.
    """
    return DATA[names[0]].facts(checkpoint) if names else None
