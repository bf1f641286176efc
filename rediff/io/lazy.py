"""Packages whose public names are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of such a package.

    Args:
        package: its name.
        modules: by public name, the module below the package that defines it.

    Examples:
        >>> find, names = lazy_names("rediff", {"unknown": "io.suggest"})
        >>> find("unknown").__module__, names()
        ('rediff.io.suggest', ['unknown'])
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return find, lambda: list(modules)
