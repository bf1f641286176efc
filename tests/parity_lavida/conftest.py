"""LaViDa's vectors, and the tiny official models that they were made with."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from official_lavida import write_checkpoint
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.models.official import find_official


def folder_of(config: pytest.Config) -> Path:
    return config.getoption("--vectors") or Path(__file__).parent / "vectors"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each recorded decode case."""
    folder = folder_of(metafunc.config)
    if "llada_case" in metafunc.fixturenames:
        cases = json.loads((folder / "generation.json").read_text())
        assert cases
        metafunc.parametrize("llada_case", cases, ids=[case["name"] for case in cases])
    if "dream_case" in metafunc.fixturenames:
        cases = json.loads((folder / "dream.json").read_text())["res"]
        assert cases
        metafunc.parametrize("dream_case", cases)


@pytest.fixture(scope="session")
def vectors(pytestconfig: pytest.Config) -> Path:
    return folder_of(pytestconfig)


@pytest.fixture(scope="session")
def model(
    vectors: Path, tmp_path_factory: pytest.TempPathFactory
) -> LlavaOnevisionForConditionalGeneration:
    """LaViDa with LLaDA's text model, in two shards."""
    description = json.loads((vectors / "model.json").read_text())
    return load(tmp_path_factory.mktemp("lavida"), description, "llava_llada", shards=2)


@pytest.fixture(scope="session")
def dream(
    vectors: Path, tmp_path_factory: pytest.TempPathFactory
) -> LlavaOnevisionForConditionalGeneration:
    """LaViDa with Dream's text model."""
    description = json.loads((vectors / "dream.json").read_text())
    other = json.loads((vectors / "model.json").read_text())
    description["vision_config"] = other["vision_config"]
    return load(tmp_path_factory.mktemp("dream"), description, "llava_dream", shards=1)


def load(
    folder: Path, description: dict[str, Any], model_type: str, *, shards: int
) -> LlavaOnevisionForConditionalGeneration:
    write_checkpoint(folder, description, model_type=model_type, shards=shards)
    official = find_official(folder)
    assert official is not None
    return official.load_model(folder, dtype=torch.float32, device_map=None)
