"""Registers samplers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rediff.decoding.sampler import Sampler
from rediff.plugins import Registry

SAMPLERS = Registry[Callable[[], Sampler]]("sampler")
"""The factory of each sampler, with its defaults."""


def register_sampler(name: str) -> Callable[[Any], Any]:
    """Registers a sampler under a name: decorates a class or function that makes it.

    Examples:
        >>> from rediff.decoding.registry import find_sampler
        >>> from rediff.decoding.sampler import RuleSampler
        >>> from rediff.decoding.schedules import LinearSchedule
        >>> @register_sampler("patient")
        ... def patient() -> Sampler:
        ...     return RuleSampler(name="patient", schedule=LinearSchedule(refine_share=0.5))
        >>> find_sampler("patient,refine_share=0.25").schedule
        LinearSchedule(refine_share=0.25, paced=False)
    """
    return SAMPLERS.register(name)
