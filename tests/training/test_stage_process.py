"""The processes that stages run in."""

import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch

from rediff.training.stage_process import IMPORTED, begin, process_context

NAME = "REDIFF_OF_LATER"
forks = pytest.mark.skipif(
    process_context().get_start_method() == "spawn", reason="processes are spawned here"
)


def imported() -> bool:
    return all(name in sys.modules for name in IMPORTED)


@forks
def test_a_forked_process_has_the_environment_of_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not that of the process from which it is forked, which is older."""
    with ProcessPoolExecutor(1, process_context()) as pool:
        assert pool.submit(imported).result()
    monkeypatch.setenv(NAME, "set")
    monkeypatch.delenv("PATH")
    with ProcessPoolExecutor(1, process_context()) as pool:
        assert pool.submit(os.getenv, NAME).result() is None
        assert pool.submit(os.getenv, "PATH").result()
        pool.submit(begin, dict(os.environ)).result()
        assert pool.submit(os.getenv, NAME).result() == "set"
        assert pool.submit(os.getenv, "PATH").result() is None
        assert pool.submit(torch.get_num_threads).result() == 1


def test_a_long_folder_of_temporary_files_has_no_room_for_a_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert process_context().get_start_method() == "spawn"
