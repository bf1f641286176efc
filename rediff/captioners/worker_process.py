"""A worker process: its start, its protocol and its end (see `workers/README.md`)."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rediff.io.strict_yaml import load_yaml
from rediff.io.suggest import explain

LONGEST_LINE = 1 << 20
MOST_NOISE = 1000
"""Lines that a worker may print before it greets."""


class WorkerSpec(BaseModel):
    """How to run a worker. `timeout`: seconds a caption may take; `start_timeout`: its start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = Field(min_length=1)
    cwd: Path | None = None
    env: dict[str, str] = Field(default_factory=dict)
    timeout: float = Field(default=300.0, gt=0)
    start_timeout: float = Field(default=900.0, gt=0)

    @classmethod
    def load(cls, path: Path) -> WorkerSpec:
        """Reads a YAML file; a relative `cwd` is relative to it, and so is the default.

        Raises FileNotFoundError, or ValueError naming the file and the key.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no worker file {path}")
        spec = load_yaml(path, cls)
        return spec.model_copy(update={"cwd": path.parent / (spec.cwd or ".")})


class Reply(BaseModel):
    """A worker's answer: a caption or an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    caption: str | None = None
    error: str | None = None
    tokens: int | None = None
    nfe: int | None = None
    truncated: bool = False


class Greeting(BaseModel):
    """A worker's first line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    worker: int
    name: str
    kind: str
    sampler: str = "own"
    length: int | None = None
    steps: int | None = None


class WorkerError(RuntimeError):
    """A worker broke the protocol, fell silent or died."""


class WorkerProcess:
    """A running worker that has greeted. Raises WorkerError if it does not."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        try:
            self.popen = subprocess.Popen(
                spec.command,
                cwd=spec.cwd,
                env={**os.environ, **spec.env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(f"cannot start the worker {spec.command[0]!r}: {error}") from error
        self.lines: queue.Queue[bytes] = queue.Queue()
        self.errors: collections.deque[str] = collections.deque(maxlen=5)
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        _in_background(self._read_lines, self.popen.stdout)
        self.reader_of_errors = _in_background(self._read_errors, self.popen.stderr)
        try:
            self.greeting = Greeting.model_validate(self._receive_greeting())
            if self.greeting.worker != 1:
                raise WorkerError(f"the worker speaks version {self.greeting.worker}, not 1")
        except (ValidationError, WorkerError) as error:
            self.end()
            text = error if isinstance(error, WorkerError) else explain(error)
            raise WorkerError(f"the worker did not greet: {text}") from error

    def ask(self, request: dict[str, Any]) -> Reply:
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(json.dumps(request).encode() + b"\n")
            self.popen.stdin.flush()
        except OSError as error:
            raise WorkerError(f"the worker died{self._last_words()}") from error
        try:
            reply = Reply.model_validate(self._receive(self.spec.timeout, "reply"))
        except ValidationError as error:
            raise WorkerError(f"the worker's reply is malformed: {explain(error)}") from error
        if reply.id != request["id"]:
            raise WorkerError(f"the worker replied to {reply.id!r}, not to {request['id']!r}")
        return reply

    def _receive_greeting(self) -> Any:
        """The first line that is a JSON object; libraries may have printed before it."""
        until, noise = time.monotonic() + self.spec.start_timeout, list[str]()
        while len(noise) < MOST_NOISE:
            try:
                line = self._next_line(self.spec.start_timeout, "greeting", until)
            except WorkerError as error:
                printed = f"; it printed {noise[-1]!r} last" if noise else ""
                raise WorkerError(f"{error}{printed}") from error
            with contextlib.suppress(ValueError):
                if isinstance(found := json.loads(line), dict):
                    return found
            noise.append(line[:60].decode(errors="replace").strip())
        raise WorkerError(
            f"the worker printed {len(noise)} lines that are no greeting, {noise[-1]!r} last"
        )

    def _next_line(self, timeout: float, what: str, until: float | None = None) -> bytes:
        """The next line of ``what``, which was given ``timeout`` seconds, till ``until`` if part
        of them is over.
        """
        left = timeout if until is None else max(0.0, until - time.monotonic())
        try:
            line = self.lines.get(timeout=left)
        except queue.Empty as error:
            raise WorkerError(f"no {what} of the worker within {timeout:.3g} s") from error
        if not line:
            raise WorkerError(f"the worker died{self._last_words()}")
        return line

    def _receive(self, timeout: float, what: str) -> Any:
        line = self._next_line(timeout, what)
        try:
            return json.loads(line)
        except ValueError as error:
            start = line[:60].decode(errors="replace")
            raise WorkerError(f"the worker wrote {start!r}, which is not JSON") from error

    def _last_words(self) -> str:
        """How the worker ended, with its last output; the process may still be ending."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(timeout=2.0)
        self.reader_of_errors.join(timeout=2.0)
        code = self.popen.poll()
        words = " | ".join(self.errors)
        return (f" (exit code {code})" if code is not None else "") + (
            f": {words}" if words else ""
        )

    def _read_lines(self, stream: IO[bytes]) -> None:
        while line := stream.readline(LONGEST_LINE):
            self.lines.put(line)
        self.lines.put(b"")

    def _read_errors(self, stream: IO[bytes]) -> None:
        while line := stream.readline(LONGEST_LINE):
            self.errors.append(line.decode(errors="replace").strip()[:200])

    def end(self) -> None:
        """Kills the worker and every process that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


def _in_background(read: Callable[[IO[bytes]], None], stream: IO[bytes]) -> threading.Thread:
    thread = threading.Thread(target=read, args=(stream,), daemon=True)
    thread.start()
    return thread
