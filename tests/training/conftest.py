"""A toy recipe, trained once for all tests that start from it."""

from pathlib import Path

import pytest
from toy_recipes import toy

from rediff.training.pipeline import train
from rediff.training.reports import StageReport


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished recipe; tests copy what they change."""
    root = tmp_path_factory.mktemp("train")
    reports: list[StageReport] = []
    recipe = toy()
    assert train(recipe, root, report=reports.append) == list(recipe.stages)
    assert {report.stage for report in reports if report.finished} == set(recipe.stages)
    return root
