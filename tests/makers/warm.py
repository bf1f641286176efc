"""`rediff-eval` in a process of its own without the seconds of its imports.

A server that has imported everything and done nothing forks for each call; the fork runs the
program from its start and ends as it does. What a program does is real, but for what imports do
with their environment: see `WarmPrograms.fits`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

IMPORTED = (
    "rediff_eval.cli",
    "rediff_eval.evaluate",
    "rediff_eval.views.plots",
    "rediff.training.pipeline",
    "rediff.captioners.openai",
)
TEST = "PYTEST_CURRENT_TEST"
LONGEST = 1 << 16
"""Bytes of a call: its arguments and its folder."""


class WarmPrograms:
    """The server, started with the first call; it ends with the process that has started it."""

    def __init__(self) -> None:
        self.environment = dict(os.environ)
        self.calls, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            subprocess.Popen(
                [sys.executable, __file__, str(far.fileno())],
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def fits(self, environment: dict[str, str]) -> bool:
        """Whether a program would have the environment in which the server has imported."""
        known = {**self.environment, TEST: ""}
        return {**environment, TEST: ""} == known

    def run(self, arguments: Sequence[str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
        """Runs `rediff-eval` with some arguments in a folder, to its end."""
        call = json.dumps({"arguments": arguments, "cwd": os.fspath(cwd or Path.cwd())}).encode()
        assert len(call) < LONGEST
        near, far = socket.socketpair()
        pipes = [os.pipe(), os.pipe()]
        far_ends = [far.fileno(), *(write for _, write in pipes)]
        socket.send_fds(self.calls, [call], far_ends)
        far.close()
        for _, write in pipes:
            os.close(write)
        with near, ThreadPoolExecutor(2) as readers:
            output, errors = readers.map(_read, (read for read, _ in pipes))
            return subprocess.CompletedProcess(arguments, int(near.recv(16)), output, errors)


def _read(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8") as file:
        return file.read()


def serve(calls: socket.socket) -> None:
    """Forks for each call until nobody can call any more; a fork of a fork runs the program, which
    is watched by the first."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        call, descriptors, _, _ = socket.recv_fds(calls, LONGEST, 3)
        if not call:
            return
        if os.fork() == 0:
            calls.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            watch(json.loads(call), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def watch(call: dict[str, object], reply: int, output: int, errors: int) -> None:
    """Runs a program in another fork, and tells how it ended."""
    process = os.fork()
    if process == 0:
        os.close(reply)
        run(call, output, errors)
    os.close(output)
    os.close(errors)
    _, status = os.waitpid(process, 0)
    os.write(reply, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def run(call: dict[str, object], output: int, errors: int) -> None:
    """Becomes `python -m rediff_eval`; never returns."""
    for number, descriptor in enumerate((output, errors), start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(str(call["cwd"]))
    sys.argv[1:] = list(call["arguments"])  # type: ignore[call-overload]
    runpy.run_module("rediff_eval", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    sys.path[0] = ""  # as of `python -m`
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()  # or each program would copy all this to look through it
    serve(socket.socket(fileno=int(sys.argv[1])))
