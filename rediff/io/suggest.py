"""Errors that name the nearest right word."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

EXPECTED: Mapping[str, str] = {
    "string": "text",
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "keys with values",
    "model": "keys with values",
    "dataclass": "keys with values",
    "model_attributes": "keys with values",
    "set": "a list",
    "frozen_set": "a list",
    "path": "a path",
}
"""The expected value, by the name that pydantic gives a mistake, less `_type` and
`_parsing`."""


def unknown(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for an unknown name, which suggests the nearest right one. To be raised.

    Args:
        kind: a word for the things named so, as "metric".
        name: the unknown one.
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
        return f"{place}: {_in_words(first)}" if place else _in_words(first)
    key, known = str(first["loc"][-1]), list(keys)
    if key in known:
        return f"{place}: {key!r} belongs elsewhere"
    return f"{place}: {unknown('key', key, known) if known else 'unknown key'}"


def _in_words(problem: ErrorDetails) -> str:
    """The error in a value, in the words of the file's author and not of Python."""
    kind = problem["type"]
    if kind == "missing":
        return "missing"
    expected = EXPECTED.get(kind.removesuffix("_type").removesuffix("_parsing"))
    if kind == "literal_error":
        expected = problem["ctx"]["expected"]
    if expected is None:
        return problem["msg"]
    given = problem["input"]
    return f"expected {expected}, got {'nothing' if given is None else reprlib.repr(given)}"
