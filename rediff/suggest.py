"""Errors that name the nearest right word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """A ValueError for a name that is not among `known`, suggesting the nearest one."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
    return ValueError(f"unknown {kind} {name!r}; {hint}")
