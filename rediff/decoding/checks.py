"""Checks of the numbers that rules and samplers are made with."""

from __future__ import annotations

import math
from collections.abc import Sequence


def check_share(name: str, value: float) -> None:
    """Checks a share of positions or of steps.

    Args:
        name: of the option, for the message.
        value: from 0 to 1.

    Raises:
        ValueError: for a number outside [0, 1], or nan.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value}")


def check_from_zero(name: str, value: float) -> None:
    """Checks a finite number that is not below 0.

    Args:
        name: of the option, for the message.
        value: the number.

    Raises:
        ValueError: for one below 0, infinity and nan.
    """
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number from 0 on, got {value}")


def check_count(name: str, value: int, *, least: int = 1) -> None:
    """Checks a number of things.

    Args:
        name: of the option, for the message.
        value: the number.
        least: that it may be.

    Raises:
        ValueError: for a smaller one.
    """
    if value < least:
        raise ValueError(f"{name} must not be below {least}, got {value}")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Checks a word.

    Args:
        name: of the option, for the message.
        value: the word.
        choices: that it may be.

    Raises:
        ValueError: for any other.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_shift(value: float) -> None:
    """Raises ValueError for the shift of a schedule that float32 could not compute with."""
    if not 1e-3 <= value <= 1e3:
        raise ValueError(f"shift must be from 0.001 to 1000, got {value}")


def check_length(name: str, value: int | None) -> None:
    """Checks a length in tokens.

    Args:
        name: of the option, for the message.
        value: above 0; None means no length.

    Raises:
        ValueError: for a length that is not above 0.
    """
    if value is not None and value <= 0:
        raise ValueError(f"{name} must be above 0, got {value}")


def check_refresh(value: int | None) -> None:
    """Raises ValueError for a number of steps below 0; None means as often as exactness takes."""
    if value is not None and value < 0:
        raise ValueError(f"refresh must be a number of steps, or 0 for never, got {value}")
