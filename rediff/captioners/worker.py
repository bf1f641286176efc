"""Captions by a worker process in an environment of its own (see `workers/README.md`)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rediff.captioners.base import (
    Capabilities,
    Caption,
    Captioner,
    CaptionRequest,
    Decoding,
    Failure,
)
from rediff.captioners.sources import Loading, file_hashes, register_captioner
from rediff.captioners.worker_process import WorkerError, WorkerProcess, WorkerSpec

GIVE_UP_AFTER = 3
"""Failures in a row after which a worker is not asked any more."""


def identify(where: str, loading: Loading) -> Mapping[str, str]:
    """Hashes of the worker's file, and of all files and folders that its command names."""
    path = Path(where)
    spec = WorkerSpec.load(path)
    assert spec.cwd is not None
    named = [found for part in spec.command[1:] if (found := spec.cwd / part).exists()]
    return file_hashes("worker", [path, *named])


@register_captioner("worker", identify=identify)
def open_worker(where: str, loading: Loading) -> Captioner:
    """Starts the worker of a YAML file. Raises as `WorkerSpec.load` and `WorkerProcess`."""
    return WorkerCaptioner(WorkerSpec.load(Path(where)))


class WorkerCaptioner:
    """Sends pictures to a worker one by one.

    A worker that does not write a reply, takes too long or dies fails the sample it was at. It is
    restarted for the next one. After `GIVE_UP_AFTER` such failures in a row every
    further sample fails at once.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.failures = 0
        self.folder = tempfile.TemporaryDirectory(prefix="rediff-worker-")
        self.process: WorkerProcess | None = None
        self.greeting = self._started().greeting

    @property
    def capabilities(self) -> Capabilities:
        hello = self.greeting
        return Capabilities(
            kind=hello.kind,
            length=hello.length,
            sampler=hello.sampler,
            takes_steps=hello.steps is not None,
            steps=hello.steps,
        )

    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        """A caption or a failure for each request."""
        return [self._caption(request, decoding.steps) for request in requests]

    def _caption(self, request: CaptionRequest, steps: int | None) -> Caption | Failure:
        if self.failures >= GIVE_UP_AFTER:
            return Failure(f"the worker failed {self.failures} times in a row and is not asked")
        path = Path(self.folder.name) / "image.png"
        request.image.convert("RGB").save(path)
        *before, prompt = request.asked()
        earlier = {"before": before} if before else {}
        asked = {"id": request.id, "image": str(path), "prompt": prompt, "steps": steps, **earlier}
        started = time.perf_counter()
        try:
            reply = self._started().ask(asked)
        except WorkerError as error:
            self.failures += 1
            self._end()
            return Failure(str(error))
        self.failures = 0
        if reply.caption is None:
            return Failure(reply.error or "the worker's reply has neither caption nor error")
        return Caption(
            text=reply.caption,
            tokens=reply.tokens,
            nfe=reply.nfe,
            seconds=time.perf_counter() - started,
            truncated=reply.truncated,
        )

    def _started(self) -> WorkerProcess:
        if self.process is None:
            self.process = WorkerProcess(self.spec)
        return self.process

    def _end(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None

    def close(self) -> None:
        """Ends the worker."""
        self._end()
        self.folder.cleanup()
