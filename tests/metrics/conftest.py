"""The vectors, one test a case: `@pytest.mark.vectors("clair", "reply_cases")` gives a `case`."""

import json
from pathlib import Path
from typing import Any

import pytest

OWN = Path(__file__).parent / "vectors"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("vectors")
    if marker is not None:
        name, section = marker.args
        folder = metafunc.config.getoption("--vectors") or OWN
        cases = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))[section]
        assert cases
        ids = [str(case.get("id") or case.get("name") or i) for i, case in enumerate(cases)]
        metafunc.parametrize("case", cases, ids=ids)


@pytest.fixture(scope="session")
def vectors(pytestconfig: pytest.Config) -> dict[str, Any]:
    """All files by name."""
    folder = pytestconfig.getoption("--vectors") or OWN
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")
    }
