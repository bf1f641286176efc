"""Times captions of several models, samplers and budgets side by side.

Every round runs all candidates in turn at every batch size, so that other work of the machine falls
on all alike; a first round is not counted. A caption's seconds are all that it takes from the open
picture to the text.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image

from rediff.captioners.base import Caption, Captioner, CaptionRequest, Decoding
from rediff.decoding.registry import find_sampler
from rediff_eval.captioning.config import Condition
from rediff_eval.speed.machine import PeakMemory, energy_meter

DRAWS = 2000
"""Bootstrap draws of an interval."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A condition with the captioner of its model."""

    condition: Condition
    captioner: Captioner
    guidance: float = 0.0

    def decoding(self, *, timed: bool = False) -> Decoding:
        """How its captions are decoded."""
        sampled = self.captioner.capabilities.takes_samplers
        return Decoding(
            sampler=find_sampler(self.condition.sampler) if sampled else None,
            steps=self.condition.steps,
            guidance=self.guidance,
            timed=timed,
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with a 95% interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """The median of some values, its interval by a bootstrap of fixed seed."""
        draws = np.random.default_rng(0).choice(np.asarray(values), (DRAWS, len(values)))
        low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
        return cls(statistics.median(values), float(low), float(high))


@dataclass(slots=True)
class Measured:
    """The cost of a candidate's captions.

    `seconds`: of a caption in each round, by batch size. `memory`: bytes at the peak beyond those
    held before, by batch size. `joules`: of a caption in each round, by batch size.
    `phases`: seconds at batch 1. `captions`: all, for passes and operations. None: unknown.
    """

    condition: Condition
    seconds: dict[int, list[float]] = field(default_factory=dict)
    memory: dict[int, int | None] = field(default_factory=dict)
    joules: dict[int, list[float]] = field(default_factory=dict)
    phases: list[Mapping[str, float]] = field(default_factory=list)
    captions: list[Caption] = field(default_factory=list)

    @property
    def latency(self) -> Interval:
        """Seconds of a caption at batch 1."""
        return Interval.of(self.seconds[1])

    @property
    def best_batch(self) -> int:
        """The batch size with the least seconds a caption."""
        return min(self.seconds, key=lambda size: statistics.median(self.seconds[size]))

    @property
    def throughput(self) -> Interval:
        """Captions a second at the best batch size."""
        each = Interval.of(self.seconds[self.best_batch])
        return Interval(1 / each.value, 1 / each.high, 1 / each.low)

    def mean(self, name: str) -> float | None:
        """The mean of a field of captions; None where one does not have it."""
        values = [getattr(caption, name) for caption in self.captions]
        return None if None in values or not values else statistics.fmean(values)

    def phase(self, name: str) -> float | None:
        """The median seconds of a phase; None where a captioner does not tell."""
        values = [phases[name] for phases in self.phases if name in phases]
        return statistics.median(values) if values else None


def measure(
    candidates: Sequence[Candidate],
    pictures: Sequence[Image.Image],
    *,
    batches: Sequence[int],
    rounds: int,
    device: torch.device,
    prompt: str,
    advance: Callable[[int], None] = lambda units: None,
) -> list[Measured]:
    """Measures all candidates in turn.

    Args:
        candidates: to be compared.
        pictures: each round begins with the next ones.
        batches: sizes besides 1.
        rounds: that are counted.
        device: of the models.
        prompt: asked of each picture.
        advance: called for each batch that was captioned.

    Raises:
        RuntimeError: if a captioner gives no caption, saying why.
    """
    found = [Measured(candidate.condition) for candidate in candidates]
    memory, joules = PeakMemory(device), energy_meter(device)
    for number in range(rounds + 1):
        for size in sorted({1, *batches}):
            for candidate, measured in zip(candidates, found, strict=True):
                requests = list(_requests(pictures, number * size, size, prompt))
                if hasattr(candidate.captioner, "forget"):  # its cache is of another candidate
                    candidate.captioner.forget()
                before = joules() if joules else 0.0
                memory.start()
                seconds, captions = _time(candidate, requests, timed=False)
                beyond = memory.beyond()
                known = measured.memory.get(size)
                measured.memory[size] = beyond if known is None else max(known, beyond or 0)
                if number:
                    measured.seconds.setdefault(size, []).append(seconds / size)
                    measured.captions += captions
                    if joules:
                        measured.joules.setdefault(size, []).append((joules() - before) / size)
                advance(1)
        for candidate, measured in zip(candidates, found, strict=True):
            (request,) = _requests(pictures, number, 1, prompt)
            _, (caption,) = _time(candidate, [request], timed=True)
            if number and caption.phases is not None:
                measured.phases.append(caption.phases)
    return found


def _requests(
    pictures: Sequence[Image.Image], start: int, size: int, prompt: str
) -> Iterator[CaptionRequest]:
    """New requests, of which no captioner can have kept anything."""
    for number in range(start, start + size):
        yield CaptionRequest(image=pictures[number % len(pictures)], dialogue=(prompt,))


def _time(
    candidate: Candidate, requests: list[CaptionRequest], *, timed: bool
) -> tuple[float, list[Caption]]:
    started = time.perf_counter()
    replies = candidate.captioner.caption(requests, candidate.decoding(timed=timed))
    seconds = time.perf_counter() - started
    captions = []
    for reply in replies:
        if not isinstance(reply, Caption):
            raise RuntimeError(f"{candidate.condition.title}: no caption: {reply.error}")
        captions.append(replace(reply, trace=None))
    return seconds, captions
