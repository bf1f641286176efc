"""Numbered answers, whatever they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Given = TypeVar("Given")


def by_number(answers: Iterable[tuple[int, Given]], allowed: range) -> dict[int, Given] | None:
    """Answers by their numbers; None if a number lies outside of `allowed`.

    What is answered twice, in two ways, is left out.
    """
    found: dict[int, Given] = {}
    contested: set[int] = set()
    for number, answer in answers:
        if number not in allowed:
            return None
        if found.setdefault(number, answer) != answer:
            contested.add(number)
    return {number: answer for number, answer in found.items() if number not in contested}
