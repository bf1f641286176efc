"""Rows that a training does not learn from, and by which it can be ended."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rediff.training.draft_records import Correction
from rediff.training.items import Item, RecordItems
from rediff.training.strict import Strict

Source = TypeVar("Source", Item, Correction)
METRIC = "validation"
"""The loss on these rows, in logs."""


class Validation(Strict):
    """The loss on pictures that are held out, on the way.

    `share`: of the pictures, with all their rows. `every`: steps between two validations.
    `patience`: the training ends when as many validations in a row were no better than the best
    one, and the weights of that one are kept; None: it goes to its last step, whose weights are
    kept.
    """

    share: float = Field(default=0.1, gt=0, lt=1)
    every: int = Field(default=100, gt=0)
    patience: int | None = Field(default=None, gt=0)


def hold_out(sources: Sequence[Source], share: float) -> tuple[Sequence[Source], Sequence[Source]]:
    """What is learnt from, and what is held out: all rows of a picture together.

    Args:
        sources: items, or drafts with their corrections.
        share: of the pictures that is held out, evenly spread; at least one picture.

    Raises:
        ValueError: if nothing would be left to learn from.

    Examples:
        >>> from PIL import Image
        >>> items = [Item(name, Image.new("L", (1, 1)), ()) for name in "aabbccddee"]
        >>> learnt, held = hold_out(items, 0.4)
        >>> "".join(item.id for item in learnt), "".join(item.id for item in held)
        ('aacce', 'bbdd')
    """
    pictures = [_picture(source) for source in sources]
    distinct = list(dict.fromkeys(pictures))
    count = max(1, round(share * len(distinct)))
    if count >= len(distinct):
        raise ValueError(f"of {len(distinct)} pictures none can be held out for validation")
    held = {distinct[(2 * turn + 1) * len(distinct) // (2 * count)] for turn in range(count)}
    learnt, kept = (
        [number for number, picture in enumerate(pictures) if (picture in held) is which]
        for which in (False, True)
    )
    return _only(sources, learnt), _only(sources, kept)


def _picture(source: Item | Correction) -> Hashable:
    if isinstance(source, Correction):
        return source.draft.id
    return source.image if isinstance(source.image, Path) else source.id


def _only(sources: Sequence[Source], numbers: Sequence[int]) -> Sequence[Source]:
    if isinstance(sources, RecordItems):
        return sources.only(numbers)
    return [sources[number] for number in numbers]


class Patience(TrainerCallback):
    """Ends a training whose validations have not become better for a number of them.

    It keeps nothing of its own, so a training that resumes ends where an uninterrupted one does.
    """

    def __init__(self, settings: Validation) -> None:
        self.settings = settings

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        assert metrics is not None
        assert self.settings.patience is not None
        if state.best_metric is None or metrics[f"eval_{METRIC}"] < state.best_metric:
            return
        best = state.best_global_step or 0
        waited = (state.global_step - best) // self.settings.every
        control.should_training_stop = waited >= self.settings.patience
