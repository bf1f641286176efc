"""Captions by a worker process in an environment of its own (see `workers/README.md`)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from rediff.captioners.base import Caption, Decoding, Failure, Said, Traits, requests
from rediff.captioners.worker_process import WorkerError, WorkerProcess, WorkerSpec

GIVE_UP_AFTER = 3
"""Failures in a row, after which a worker is left alone."""


class WorkerCaptioner:
    """Sends pictures to a worker one by one.

    A worker that writes what is no reply, takes too long or dies fails the sample it was at; it is
    ended and started anew for the next one. After `GIVE_UP_AFTER` such failures in a row every
    further sample fails at once.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.failures = 0
        self.folder = tempfile.TemporaryDirectory(prefix="rediff-worker-")
        self.process: WorkerProcess | None = None
        self.greeting = self._started().greeting

    @property
    def traits(self) -> Traits:
        hello = self.greeting
        return Traits(
            kind=hello.kind,
            length=hello.length,
            sampler=hello.sampler,
            takes_steps=hello.steps is not None,
            steps=hello.steps,
        )

    def caption(
        self,
        images: Sequence[Image.Image],
        decoding: Decoding,
        *,
        said: Sequence[Said] | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[Caption | Failure]:
        """A caption or a failure for each image."""
        names = ids or [str(i) for i in range(len(images))]
        return [
            self._caption(name, image, own, decoding.steps)
            for name, image, own in zip(names, images, requests(said, len(images)), strict=True)
        ]

    def _caption(
        self, name: str, image: Image.Image, said: Said, steps: int | None
    ) -> Caption | Failure:
        if self.failures >= GIVE_UP_AFTER:
            return Failure(f"the worker failed {self.failures} times in a row and is not asked")
        path = Path(self.folder.name) / "image.png"
        image.convert("RGB").save(path)
        *before, prompt = said
        earlier = {"before": before} if before else {}
        request = {"id": name, "image": str(path), "prompt": prompt, "steps": steps, **earlier}
        started = time.perf_counter()
        try:
            reply = self._started().ask(request)
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
