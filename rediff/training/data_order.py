"""Which row is trained when: a fixed sequence, for any number of processes and any interruption.

A run of `steps` steps with global batches of `batch` rows takes slots 0, 1, ... in order, and step
s has slots s * batch to (s + 1) * batch - 1. How these are distributed over processes and
micro-batches does not matter: a slot has its place in the global batch and its own random draws.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch

Row = TypeVar("Row", covariant=True)
WINDOW = 50
"""Global batches whose rows are sorted by length together."""


class Rows(Protocol[Row]):
    """Rows that can be counted and taken by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Row: ...


def name_of_row(rows: Any, number: int) -> str:
    """The name of a row, where its rows can tell, also of several put together; else its number."""
    if isinstance(rows, torch.utils.data.ConcatDataset):
        part = bisect.bisect_right(rows.cumulative_sizes, number)
        first = rows.cumulative_sizes[part - 1] if part else 0
        return name_of_row(rows.datasets[part], number - first)
    named = getattr(rows, "name_of", None)
    return f"row {number}" if named is None else str(named(number))


@dataclass(frozen=True, slots=True)
class BatchPosition:
    """A row's place in its global batch: `position` of `rows`, and its mask level's `stratum`.

    The strata of a batch are a permutation of its positions.
    """

    position: int
    rows: int
    stratum: int


@dataclass(frozen=True, slots=True)
class ScheduledRow(Generic[Row]):
    """A row in its place. `seed`: of everything that is drawn for it."""

    row: Row
    place: BatchPosition
    seed: int


class Schedule(torch.utils.data.Dataset[ScheduledRow[Any]]):
    """The slots of a run. Rows are taken in an order that is shuffled again for each pass over
    them.

    `lengths`: of the rows, in any unit. Where given, rows of like length come together in a batch,
    so that little is padded: the slots of each `WINDOW` batches are sorted by length, and the
    batches shuffled, and each within itself: a row's place says nothing of its length.
    """

    def __init__(
        self,
        rows: Rows[Any],
        *,
        batch: int,
        steps: int,
        seed: int,
        lengths: Sequence[int] | None = None,
    ) -> None:
        if not len(rows):
            raise ValueError("there is nothing to train on: the data hold no usable row")
        self.rows = rows
        self.batch = batch
        self.steps = steps
        self.seed = seed
        self.lengths = lengths
        self._pass = functools.lru_cache(maxsize=4)(self._shuffle_pass)
        self._window = functools.lru_cache(maxsize=2)(self._sort_window)
        self._strata = functools.lru_cache(maxsize=4)(self._shuffle_strata)

    def __len__(self) -> int:
        return self.batch * self.steps

    def __getitem__(self, slot: int) -> ScheduledRow[Any]:
        if not 0 <= slot < len(self):
            raise IndexError(slot)
        step, position = divmod(slot, self.batch)
        place = BatchPosition(position, self.batch, self._strata(step)[position])
        return ScheduledRow(self.rows[self.row_of(slot)], place, self._draw("slot", slot))

    def name_of(self, slot: int) -> str:
        """The name of a slot's row in messages, or else its number."""
        number = self.row_of(slot)
        return name_of_row(self.rows, number)

    def row_of(self, slot: int) -> int:
        """The number of the row that a slot holds."""
        if self.lengths is None:
            return self._shuffled(slot)
        window, offset = divmod(slot, WINDOW * self.batch)
        return self._window(window)[offset]

    def _shuffled(self, slot: int) -> int:
        number, offset = divmod(slot, len(self.rows))
        return self._pass(number)[offset]

    def _shuffle_pass(self, number: int) -> list[int]:
        return self._permutation(len(self.rows), "pass", number)

    def _shuffle_strata(self, step: int) -> list[int]:
        return self._permutation(self.batch, "strata", step)

    def _sort_window(self, window: int) -> list[int]:
        assert self.lengths is not None
        size = WINDOW * self.batch
        slots = range(window * size, min((window + 1) * size, len(self)))
        rows = sorted(map(self._shuffled, slots), key=self.lengths.__getitem__)
        order = self._permutation(len(rows) // self.batch, "window", window)
        return [
            rows[b * self.batch + position]
            for b in order
            for position in self._permutation(self.batch, f"batch {b} of", window)
        ]

    def _permutation(self, size: int, purpose: str, number: int) -> list[int]:
        generator = torch.Generator().manual_seed(self._draw(purpose, number))
        return torch.randperm(size, generator=generator).tolist()

    def _draw(self, purpose: str, number: int) -> int:
        digest = hashlib.sha256(f"{self.seed} {purpose} {number}".encode()).digest()
        return int.from_bytes(digest[:7], "little")
