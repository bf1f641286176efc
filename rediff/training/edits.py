"""Edits of a draft, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

END = ""
"""The word of every canvas position from the end of a response on."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The words `wrong` from `start` on, and as many words `right` in their place."""

    start: int
    wrong: tuple[str, ...]
    right: tuple[str, ...]


def changes(draft: Sequence[str], right: Sequence[str]) -> list[Edit]:
    """The runs of positions where two texts of equal length differ.

    Args:
        draft: the words as they were written.
        right: the words that should stand there, one for each.

    Examples:
        >>> changes(["a", "b", "c"], ["a", "x", "y"])
        [Edit(start=1, wrong=('b', 'c'), right=('x', 'y'))]
    """
    edits: list[Edit] = []
    for position, (old, new) in enumerate(zip(draft, right, strict=True)):
        if old == new:
            continue
        last = edits[-1] if edits else None
        if last is not None and last.start + len(last.wrong) == position:
            edits[-1] = Edit(last.start, (*last.wrong, old), (*last.right, new))
        else:
            edits.append(Edit(position, (old,), (new,)))
    return edits
