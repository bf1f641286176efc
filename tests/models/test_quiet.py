"""What libraries would say over our own output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
from programs import program


def test_convert_prints_its_own_line_alone(tmp_path: Path) -> None:
    """Also where DeepSpeed is installed, which talks to standard output when it is imported."""
    folder = tiny_models.make_official(tmp_path / "model")
    command = [sys.executable, "-m", "rediff_eval", "convert", folder, tmp_path / "plain"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"Wrote {tmp_path / 'plain'}.\n"


def test_an_interval_that_there_is_not_warns_nobody(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    captions = tmp_path / "theirs.json"
    captions.write_text('{"scenes-test-0-00000": "", "scenes-test-0-00001": "x"}')
    out = program("score", captions, "--task", "capmas", "--limit", "2", "--out", tmp_path / "out")
    assert "Warning" not in out
