"""How long the phases of a caption take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from rediff.decoding.denoiser import Denoiser

PHASES = ("picture", "prefill", "steps", "choosing")
"""Picture and prompt as embeddings; keys and values of the prompt under prefix attention; forward
passes; and the sampler's work between them."""


class Clock:
    """Seconds by phase. A GPU is waited for at both ends of a phase."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PHASES, 0.0)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Adds the time of its body to a phase."""
        wait_for(self.device)
        started = time.perf_counter()
        yield
        wait_for(self.device)
        self.seconds[name] += time.perf_counter() - started


class TimedDenoiser:
    """A denoiser whose calls are the phase `steps` of a clock."""

    def __init__(self, denoiser: Denoiser, clock: Clock) -> None:
        self.denoiser = denoiser
        self.clock = clock
        self.passes = denoiser.passes
        self.prompt_lengths = denoiser.prompt_lengths
        self.keys = denoiser.keys

    def refreshed(self, every: int | None) -> TimedDenoiser:
        """See `Denoiser.refreshed`."""
        return TimedDenoiser(self.denoiser.refreshed(every), self.clock)

    def opening(self, response: int) -> Tensor | None:
        """See `Denoiser.opening`."""
        return self.denoiser.opening(response)

    def under_full_attention(self) -> TimedDenoiser:
        """See `Denoiser.under_full_attention`."""
        return TimedDenoiser(self.denoiser.under_full_attention(), self.clock)

    def leave_one_out(self, tokens: Tensor, rows: Tensor, *, mask: int) -> Tensor:
        """See `Denoiser.leave_one_out`."""
        with self.clock.phase("steps"):
            return self.denoiser.leave_one_out(tokens, rows, mask=mask)

    def doubts(self, logits: Tensor, *, mask: int) -> Tensor:
        """See `Denoiser.doubts`."""
        return self.denoiser.doubts(logits, mask=mask)

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """See `Denoiser.__call__`."""
        with self.clock.phase("steps"):
            return self.denoiser(tokens, rows)


def wait_for(device: torch.device) -> None:
    """Waits until a GPU has finished its queue, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
