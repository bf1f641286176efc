"""Requests that arrive together are captioned together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from rediff.captioners.base import Caption, Captioner, CaptionRequest, Decoding, Failure
from rediff.decoding.trace import Step
from rediff_eval.serving.problems import RequestError
from rediff_eval.serving.settings import ServerSettings

Reply = Caption | Failure | ValueError
Observe = Callable[[int, float], None]
"""Called with each batch: its requests, and its seconds."""


class LeftError(Exception):
    """Whoever asked is gone, so decoding need not continue."""


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits or is at work. `on_step`: called with every step; such a job is a batch
    of its own."""

    request: CaptionRequest
    decoding: Decoding
    reply: asyncio.Future[Caption]
    on_step: Callable[[Step], None] | None = None
    arrived: float = field(default_factory=time.monotonic)

    @property
    def pixels(self) -> int:
        """Of its picture."""
        width, height = self.request.image.size
        return width * height

    def told(self, step: Step) -> None:
        """Passes a step on. Raises LeftError once nobody waits for the reply."""
        if self.reply.cancelled():
            raise LeftError
        assert self.on_step is not None
        self.on_step(step)


class Batcher:
    """Captions the jobs of one model in one thread, those of the same decoding side by side."""

    def __init__(self, captioner: Captioner, settings: ServerSettings, observe: Observe) -> None:
        self.captioner, self.settings, self.observe = captioner, settings, observe
        self.waiting: deque[Job] = deque()
        self._some = asyncio.Event()
        self._thread = ThreadPoolExecutor(1)
        self._seconds = 1.0

    def submit(
        self,
        request: CaptionRequest,
        decoding: Decoding,
        on_step: Callable[[Step], None] | None = None,
    ) -> asyncio.Future[Caption]:
        """Puts a request in the queue; cancel its future to give the place up.

        Args:
            request: the picture and the dialogue.
            decoding: how to decode.
            on_step: called in the model's thread.

        Returns:
            The caption to come. It fails with RequestError if there is none.

        Raises:
            RequestError: if the queue is full.
        """
        job = Job(request, decoding, asyncio.get_running_loop().create_future(), on_step)
        self._admit(job)
        self.waiting.append(job)
        self._some.set()
        job.reply.add_done_callback(lambda reply: self._leave(job))
        return job.reply

    def _leave(self, job: Job) -> None:
        if job in self.waiting:
            self.waiting.remove(job)

    def _admit(self, job: Job) -> None:
        limits, pixels = self.settings, sum(other.pixels for other in self.waiting)
        too_large = self.waiting and pixels + job.pixels > limits.pixels
        if len(self.waiting) < limits.queue and not too_large:
            return
        batches = 1 + len(self.waiting) // limits.batch
        retry = max(1, round(batches * self._seconds))
        raise RequestError(429, "too many requests are waiting", retry=retry)

    async def run(self) -> None:
        """Works until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._some.clear()
            if not self.waiting:
                await self._some.wait()
            await self._gather()
            jobs = self._take()
            if not jobs:
                continue
            started = time.monotonic()
            work = loop.run_in_executor(self._thread, self._caption, jobs)
            await asyncio.wait([work])
            self._seconds = time.monotonic() - started
            self.observe(len(jobs), self._seconds)
            error = work.exception()
            for place, job in enumerate(jobs):
                self._answer(job, error or work.result()[place])

    async def _gather(self) -> None:
        """Waits for more of the first job's kind, but no longer than that job may wait."""
        first = self.waiting[0] if self.waiting else None
        while first is not None and first.on_step is None and first in self.waiting:
            left = first.arrived + self.settings.wait - time.monotonic()
            if left <= 0 or len(self._like(first)) >= self.settings.batch:
                return
            self._some.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._some.wait(), left)

    def _like(self, first: Job) -> list[Job]:
        if first.on_step is not None:
            return [first]
        same = (job for job in self.waiting if job.on_step is None)
        return [job for job in same if job.decoding == first.decoding]

    def _take(self) -> list[Job]:
        if not self.waiting:
            return []
        jobs = self._like(self.waiting[0])[: self.settings.batch]
        for job in jobs:
            self.waiting.remove(job)
        return jobs

    def _caption(self, jobs: Sequence[Job]) -> Sequence[Reply]:
        """In the model's thread."""
        decoding = jobs[0].decoding
        if jobs[0].on_step is not None:
            decoding = replace(decoding, on_step=jobs[0].told)
        try:
            return self.captioner.caption([job.request for job in jobs], decoding)
        except ValueError as error:
            if len(jobs) == 1:
                return [error]
        return [reply for job in jobs for reply in self._caption([job])]

    def _answer(self, job: Job, reply: Reply | BaseException) -> None:
        if job.reply.done():
            return
        if isinstance(reply, Caption):
            job.reply.set_result(reply)
        elif isinstance(reply, ValueError):
            job.reply.set_exception(RequestError(400, str(reply)))
        else:
            why = reply.error if isinstance(reply, Failure) else f"the model failed: {reply}"
            job.reply.set_exception(RequestError(500, why))

    def close(self) -> None:
        """Ends the thread; jobs that still wait are told."""
        for job in list(self.waiting):
            self._answer(job, Failure("the server stops"))
        self._thread.shutdown(wait=False, cancel_futures=True)
