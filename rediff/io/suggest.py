"""Errors that name the nearest right word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def unknown(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for an unknown name, which suggests the nearest right one. To be raised.

    Args:
        kind: what the name should name, as "metric".
        name: what was given.
        known: all right names.
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
    return ValueError(f"unknown {kind} {name!r}; {hint}")


def explain(error: ValidationError, keys: Iterable[str] = ()) -> str:
    """One clause about the first error that pydantic found, unknown keys first.

    Args:
        error: all that pydantic found.
        keys: right keys, of which the nearest is suggested for an unknown one.
    """
    problems = error.errors()
    strange = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (strange or problems)[0]
    place = ".".join(str(part) for part in first["loc"])
    if not strange:
        return f"{place}: {first['msg']}" if place else first["msg"]
    key, known = str(first["loc"][-1]), list(keys)
    if key in known:
        return f"{place}: {key!r} belongs elsewhere"
    return f"{place}: {unknown('key', key, known) if known else 'unknown key'}"
