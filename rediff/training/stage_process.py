"""The processes that stages run in: how they start, and when they end."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing.context import BaseContext

import torch

from rediff.io.quiet import quiet_libraries

IMPORTED = ["rediff.training.pipeline", "rediff.training.trainer"]
"""Modules that are imported once for all processes."""
LONGEST = 70
"""Characters of a folder that a socket's path (108 at most) may be in, with the names below it."""


def process_context() -> BaseContext:
    """How these processes start: forked from one that has imported everything, where that is safe.

    Imports take seconds, often longer than the work of a small stage. But a process cannot use CUDA
    if it is forked from one that has looked for a GPU, libraries of macOS do not work in a forked
    process, and the first process needs a socket in the folder of temporary files. Elsewhere each
    process is spawned.
    """
    safe = sys.platform == "linux" and not torch.cuda.is_available()
    if not safe or len(tempfile.gettempdir()) > LONGEST:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def begin(environment: Mapping[str, str]) -> None:
    """Prepares a process for stages: one thread, since at this size two threads on two busy cores
    are several times slower than one. The process ends with the process that started it.

    Args:
        environment: of the process that started it, since a forked one has an older one. Variables
            that libraries read when they are imported keep their effect.
    """
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    quiet_libraries()


def _end_with_parent() -> None:
    """Ends this process once its parent is gone: started again, that would train beside it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
