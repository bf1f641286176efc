"""LaViDa's tiny checkpoints of both kinds."""

import shutil
from pathlib import Path

import pytest
from tiny_lavida import make_dream, make_lavida


@pytest.fixture(scope="module", params=["llada", "dream"])
def lavida(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return make_dream(folder) if request.param == "dream" else make_lavida(folder)


@pytest.fixture
def lavida_copy(lavida: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lavida, tmp_path / "copied"))
