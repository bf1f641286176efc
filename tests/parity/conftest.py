"""The vectors, and the tiny official model that they were made with."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from official import write_checkpoint
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.models.llada_v import LLADA_V


def folder_of(config: pytest.Config) -> Path:
    return config.getoption("--vectors") or Path(__file__).parent / "vectors"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each recorded decode case."""
    if "case" in metafunc.fixturenames:
        cases = json.loads((folder_of(metafunc.config) / "generation.json").read_text())
        assert cases
        metafunc.parametrize("case", cases, ids=[case["name"] for case in cases])


@pytest.fixture(scope="session")
def vectors(pytestconfig: pytest.Config) -> Path:
    return folder_of(pytestconfig)


@pytest.fixture(scope="session")
def description(vectors: Path) -> dict[str, Any]:
    return json.loads((vectors / "model.json").read_text())


@pytest.fixture(scope="session")
def folder(description: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official checkpoint in two shards."""
    folder = tmp_path_factory.mktemp("official")
    write_checkpoint(folder, description, shards=2)
    return folder


@pytest.fixture(scope="session")
def model(folder: Path) -> LlavaOnevisionForConditionalGeneration:
    return LLADA_V.load_model(folder, dtype=torch.float32, device_map=None)
