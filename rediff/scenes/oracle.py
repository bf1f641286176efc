"""The expert with exact truth: the true, grammatical text nearest to a draft.

Stage II of ReDiff asks an expert for minimal wrong segments of a draft with corrections of equal
token count. Here the answer is computed: among all texts of a space (captions of a scene,
answers to a question) that fit the canvas, the one with the fewest tokens different from the draft
(Hamming distance), found by dynamic programming over positions and over the facts stated so far.
False facts, broken grammar, repetition, omissions and a misplaced end are thus all corrected by the
same rule.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rediff.scenes.templates import Form, Slot, Words
from rediff.scenes.text_space import Forms, TextSpace
from rediff.training.edits import END, Edit, changes

NOTHING: Forms = ((),)
"""The empty sentence, for parts that a space lacks."""

_INFINITE = 1 << 20
State = tuple[int, int, bool]


def revise(space: TextSpace, draft: Sequence[str]) -> list[Edit]:
    """The minimal edits that turn a draft into a true text.

    Edits are maximal runs of changed positions, left to right; a correct draft gives an empty list.

    Args:
        space: the true texts.
        draft: a word for each position of the canvas, `END` after its last word.

    Raises:
        ValueError: if none fits the canvas.
    """
    return changes(draft, nearest_text(space, draft))


def nearest_text(space: TextSpace, draft: Sequence[str]) -> list[str]:
    """The text with the fewest words different from a draft, padded with `END`.

    Of equally near texts the choice is deterministic.

    Args:
        space: the true texts.
        draft: a word for each position of the canvas, `END` after its last word.

    Raises:
        ValueError: if none fits the canvas.
    """
    return _Search(space, draft).best()


class _Search:
    """Shortest path over (state, words written), where a state says which kinds of sentence are
    written.

    A state is (sentences of `each` that are written, as a bit mask; sentences of `some`;
    closed). All costs are whole numbers, so the path is found again from the costs alone,
    without back pointers.
    """

    def __init__(self, space: TextSpace, draft: Sequence[str]) -> None:
        self.misses = _Misses(draft)
        self.size = len(draft)
        self.first = self._table(space.first or NOTHING)
        self.each = [self._table(forms) for forms in space.each]
        self.some = self._table(space.some or NOTHING)
        self.most = space.most
        self.last = self._table(space.last or NOTHING)
        self.everything = (1 << len(self.each)) - 1

    def best(self) -> list[str]:
        cost: dict[State, np.ndarray] = {}
        for state in self._states():
            arrivals = [
                (table.cost + (cost[source][:, None] if source else self._start())).min(axis=0)
                for source, table in self._arrivals(state)
            ]
            cost[state] = np.min(arrivals, axis=0)
        tail = self.misses.of_end()
        finals = [state for state in cost if state[0] == self.everything]
        state = min(finals, key=lambda final: int((cost[final] + tail).min()))
        end = int((cost[state] + tail).argmin())
        if (cost[state] + tail)[end] >= _INFINITE:
            raise ValueError(f"no true text fits a canvas of {self.size} positions")
        words = self._words(cost, state, end)
        return words + [END] * (self.size - end)

    def _start(self) -> np.ndarray:
        only_first = np.full((self.size + 1, 1), _INFINITE)
        only_first[0] = 0
        return only_first

    def _states(self) -> Iterator[State]:
        for mask in range(self.everything + 1):
            for stated in range(self.most + 1):
                yield mask, stated, False
        for stated in range(self.most + 1):
            yield self.everything, stated, True

    def _arrivals(self, state: State) -> Iterator[tuple[State | None, _Table]]:
        """The states one sentence before `state`, each with that sentence's table."""
        mask, stated, closed = state
        if closed:
            yield (mask, stated, False), self.last
            return
        if mask == 0 and stated == 0:
            yield None, self.first
        if stated:
            yield (mask, stated - 1, False), self.some
        for i, table in enumerate(self.each):
            if mask >> i & 1:
                yield (mask & ~(1 << i), stated, False), table

    def _words(self, cost: dict[State, np.ndarray], last: State, end: int) -> list[str]:
        state: State | None = last
        words: list[str] = []
        while state is not None:
            target = cost[state][end]
            for source, table in self._arrivals(state):
                before = cost[source] if source else self._start()[:, 0]
                starts = np.flatnonzero(before + table.cost[:, end] == target)
                if len(starts):
                    break
            start = int(starts[0])
            words[:0] = self._sentence(table.forms[table.choice[start, end]], start, end)
            state, end = source, start
        return words

    def _table(self, forms: Forms) -> _Table:
        by_length: dict[int, list[tuple[int, np.ndarray]]] = {}
        for number, form in enumerate(forms):
            for length, cost in self._prefix_costs(form)[-1].items():
                by_length.setdefault(length, []).append((number, cost))
        square = (self.size + 1, self.size + 1)
        table = _Table(forms, np.full(square, _INFINITE), np.zeros(square, np.int64))
        for length, numbered in by_length.items():
            numbers, costs = zip(*numbered, strict=True)
            stacked = np.stack(costs)
            np.fill_diagonal(table.cost[:, length:], stacked.min(axis=0))
            np.fill_diagonal(table.choice[:, length:], np.take(numbers, stacked.argmin(axis=0)))
        return table

    def _prefix_costs(self, form: Form) -> list[dict[int, np.ndarray]]:
        """Least distance after no slot, after one slot, ..., after all.

        Each by the number of words so far: for every position where the sentence can begin.
        """
        costs = [{0: np.zeros(self.size + 1, np.int64)}]
        for slot in form:
            after: dict[int, np.ndarray] = {}
            ways = self.misses.of_slot(slot).items()
            for written, cost in costs[-1].items():
                for length, (misses, _) in ways:
                    total = written + length
                    if total <= self.size:
                        step = cost[: self.size + 1 - total] + misses[written:]
                        after[total] = np.minimum(after[total], step) if total in after else step
            costs.append(after)
        return costs

    def _sentence(self, form: Form, start: int, end: int) -> list[str]:
        costs = self._prefix_costs(form)
        words: list[str] = []
        for slot, before, after in zip(form[::-1], costs[-2::-1], costs[:0:-1], strict=True):
            written = end - start
            begin, choice = next(
                (end - length, nearest)
                for length, (misses, nearest) in self.misses.of_slot(slot).items()
                if written - length in before
                and before[written - length][start] + misses[end - length] == after[written][start]
            )
            words[:0] = choice[begin]
            end = begin
        return words


@dataclass(frozen=True, slots=True)
class _Table:
    """For sentences from position p to q: least distance and the form that has it, [P, P]."""

    forms: Forms
    cost: np.ndarray
    choice: np.ndarray


class _Misses:
    """Distance of word sequences from the draft at every position, computed once a slot."""

    def __init__(self, draft: Sequence[str]) -> None:
        self.numbers = {word: number for number, word in enumerate(dict.fromkeys(draft))}
        self.draft = np.array([self.numbers[word] for word in draft], np.int64)
        self.windows = functools.cache(functools.partial(sliding_window_view, self.draft))
        self.slots: dict[Slot, dict[int, tuple[np.ndarray, list[Words]]]] = {}

    def of_end(self) -> np.ndarray:
        """Misses of ending after p words, for p in 0..size."""
        misses = self.draft != self.numbers.get(END, -1)
        return np.concatenate([misses[::-1].cumsum()[::-1], [0]])

    def of_slot(self, slot: Slot) -> dict[int, tuple[np.ndarray, list[Words]]]:
        """By length: misses of the nearest alternative at each start, and that alternative."""
        if slot not in self.slots:
            lengths = {
                len(alternative) for alternative in slot if len(alternative) <= len(self.draft)
            }
            self.slots[slot] = {
                length: self._nearest([a for a in slot if len(a) == length])
                for length in sorted(lengths)
            }
        return self.slots[slot]

    def _nearest(self, alternatives: list[Words]) -> tuple[np.ndarray, list[Words]]:
        meant = np.array([[self.numbers.get(word, -1) for word in a] for a in alternatives])
        misses = (self.windows(len(alternatives[0])) != meant[:, None]).sum(axis=-1)
        return misses.min(axis=0), [alternatives[i] for i in misses.argmin(axis=0)]
