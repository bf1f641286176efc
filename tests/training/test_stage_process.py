"""The processes that stages run in."""

import os
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

from rediff.training.stage_process import begin, process_context


def test_a_process_has_the_environment_of_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is forked from a process that was started before."""
    with ProcessPoolExecutor(1, mp_context=process_context()) as pool:
        pool.submit(os.getpid).result()
    monkeypatch.setenv("REDIFF_OF_LATER", "set")
    monkeypatch.delenv("PATH")
    with ProcessPoolExecutor(1, mp_context=process_context()) as pool:
        pool.submit(begin, dict(os.environ)).result()
        assert pool.submit(os.getenv, "REDIFF_OF_LATER").result() == "set"
        assert pool.submit(os.getenv, "PATH").result() is None
        assert pool.submit(torch.get_num_threads).result() == 1
