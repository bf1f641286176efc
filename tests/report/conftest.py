"""The report of a small run."""

from pathlib import Path

import pytest
from programs import inside, program


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    program(
        "run", "--task", "capture", "--limit", "4", "--model", "rediff", "--model", "control",
        "--steps", "20,10", "--traces", "2", "--out", out,
    )  # fmt: skip
    inside("report", str(out))
    return out / "report.html"
