"""The Pareto front: conditions that no other equals at less cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def pareto(points: Iterable[T], place: Callable[[T], tuple[float, float]]) -> list[T]:
    """The points that no other beats in both cost (less) and quality (more), cheapest first.

    Args:
        points: in any order; of equal ones the first counts.
        place: the cost and the quality of a point.

    Examples:
        >>> pareto([(2, 0.5), (3, 0.4), (1, 0.3), (2, 0.6)], lambda point: point)
        [(1, 0.3), (2, 0.6)]
    """
    best: list[T] = []
    for point in sorted(points, key=lambda p: (place(p)[0], -place(p)[1])):
        if not best or place(point)[1] > place(best[-1])[1]:
            best.append(point)
    return best
