"""YAML files with a fixed form, whose mistakes are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from rediff.suggest import explain

Form = TypeVar("Form")


def load_yaml(path: Path, kind: type[Form]) -> Form:
    """A YAML file as `kind`, which pydantic can check.

    Raises ValueError naming the file: for broken YAML, an unknown key (the nearest right one is
    suggested), or a wrong value.
    """
    return check_form(path, read_yaml(path), kind)


def read_yaml(path: Path) -> Any:
    """A YAML file as plain values. Raises ValueError naming the file if it is broken."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error


def check_form(path: Path, raw: Any, kind: type[Form]) -> Form:
    """Plain values as `kind`. Raises ValueError naming the file they came from."""
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        raise ValueError(
            f"{path}: {explain(error, sorted(_keys(adapter.json_schema())))}"
        ) from error


def _keys(schema: Any) -> Iterator[str]:
    """Every key that the form knows, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for part in schema.values():
            yield from _keys(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _keys(part)
