"""Who does which sample."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rediff.io.rank import Rank


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, Rank(0, 1, 0)),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Rank(3, 8, 1)),
        ({"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "6", "SLURM_LOCALID": "2"}, Rank(5, 6, 2)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, Rank(0, 1, 0)),
        (
            {"RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"},
            Rank(1, 2, 0),
        ),
    ],
    ids=["alone", "torchrun", "srun", "in an allocation without srun", "torchrun within srun"],
)
def test_the_environment_says_who_one_is(environment: dict[str, str], rank: Rank) -> None:
    assert Rank.from_environment(environment) == rank


def test_a_contradiction_is_refused() -> None:
    with pytest.raises(ValueError, match="RANK is 2, but WORLD_SIZE is 2"):
        Rank.from_environment({"RANK": "2", "WORLD_SIZE": "2"})


@given(st.text(), st.integers(1, 17))
def test_every_sample_has_one_owner(sample_id: str, world: int) -> None:
    assert sum(Rank(index, world).owns(sample_id) for index in range(world)) == 1


def test_shares_are_about_equal() -> None:
    counts = [sum(Rank(i, 8).owns(f"sample-{n}") for n in range(4000)) for i in range(8)]
    assert min(counts) > 400
