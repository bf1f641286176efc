"""The processes that train together, as torchrun starts them; one without torchrun."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import gather_object

PATIENCE = timedelta(days=7)
"""How long processes wait for one that works alone, because an expert may be slow."""


def process_group() -> PartialState:
    """The group of processes. Each call gives the same one."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def exit_worker() -> None:
    """Ends this process, if it is one of several, at once and without Python's shutdown.

    There a thread of gloo's that lets go of the last tensor it carried would abort the process now
    and then (pytorch#190489). To end the group first does not help: FSDP and DeepSpeed keep it.
    """
    if process_group().num_processes > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def on_main_process(work: Callable[[], None]) -> None:
    """Does something in the first process while the others wait.

    Raises RuntimeError in the others if it fails there.
    """
    state = process_group()
    problem: Exception | None = None
    if state.is_main_process:
        try:
            work()
        except Exception as error:
            problem = error
    if any(all_gather_flag(problem is not None)):
        raise problem or RuntimeError("the first process failed, see its error")


def all_gather_flag(flag: bool) -> list[bool]:
    """The flags of all processes, in all processes; each waits for all others."""
    process_group()
    return list(gather_object([flag]))


def owns(name: str) -> bool:
    """Whether a piece of work is this process's, by a hash of its name that never changes."""
    state = process_group()
    return zlib.crc32(name.encode()) % state.num_processes == state.process_index
