"""Slots: every row in its turn, the same however they are dealt out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.training.data_order import Schedule

seeds = st.integers(0, 1000)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 12), seeds)
@settings(max_examples=60, deadline=None)
def test_each_pass_takes_every_row_once(rows: int, batch: int, steps: int, seed: int) -> None:
    schedule = Schedule(range(rows), batch=batch, steps=steps, seed=seed)
    taken = [schedule[slot].row for slot in range(len(schedule))]
    assert len(taken) == batch * steps
    for start in range(0, len(taken) - rows + 1, rows):
        assert sorted(taken[start : start + rows]) == list(range(rows))
    again = Schedule(range(rows), batch=batch, steps=steps, seed=seed)
    assert [again[slot] for slot in range(len(again))] == [schedule[s] for s in range(len(again))]


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 70), seeds)
@settings(max_examples=60, deadline=None)
def test_grouping_by_length_loses_no_row(rows: int, batch: int, steps: int, seed: int) -> None:
    lengths = [(7 * row) % 11 for row in range(rows)]
    plain = Schedule(range(rows), batch=batch, steps=steps, seed=seed)
    grouped = Schedule(range(rows), batch=batch, steps=steps, seed=seed, lengths=lengths)
    taken = [grouped[slot].row for slot in range(len(grouped))]
    assert sorted(taken) == sorted(plain[slot].row for slot in range(len(plain)))

    def waste(order: list[int]) -> int:
        batches = [order[i : i + batch] for i in range(0, len(order), batch)]
        return sum(
            max(lengths[r] for r in b) * len(b) - sum(lengths[r] for r in b) for b in batches
        )

    assert waste(taken) <= waste([plain[slot].row for slot in range(len(plain))])


@given(st.integers(1, 9), st.integers(1, 6), seeds)
@settings(max_examples=40, deadline=None)
def test_the_strata_of_a_batch_are_all_its_positions(batch: int, steps: int, seed: int) -> None:
    schedule = Schedule(range(3), batch=batch, steps=steps, seed=seed)
    for step in range(steps):
        places = [schedule[step * batch + position].place for position in range(batch)]
        assert sorted(place.stratum for place in places) == list(range(batch))
        assert [place.position for place in places] == list(range(batch))
    drawn = {schedule[slot].seed for slot in range(len(schedule))}
    assert len(drawn) == len(schedule)


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="no usable row"):
        Schedule([], batch=2, steps=1, seed=0)


def test_grouped_rows_stand_in_any_order_within_their_batch() -> None:
    """What is done to the first rows of a batch must not be done to the shortest ones."""
    grouped = Schedule(range(64), batch=16, steps=4, seed=0, lengths=list(range(64)))
    batches = [[grouped.row_of(step * 16 + place) for place in range(16)] for step in range(4)]
    assert all(sorted(batch) != batch for batch in batches)
    assert all(max(batch) - min(batch) == 15 for batch in batches)
