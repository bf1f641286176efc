"""A toy recipe, trained once for all tests that start from it."""

import fcntl
from pathlib import Path

import pytest
from toy_recipes import toy

from rediff.training.pipeline import train
from rediff.training.reports import StageReport


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of a finished recipe, shared by xdist's workers; tests copy what they change."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    root = shared / "trained"
    with (shared / "trained.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not root.is_dir():
            making = tmp_path_factory.mktemp("train")
            reports: list[StageReport] = []
            recipe = toy()
            assert train(recipe, making, report=reports.append) == list(recipe.stages)
            assert {report.stage for report in reports if report.finished} == set(recipe.stages)
            making.rename(root)
    return root
