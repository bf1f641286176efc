"""YAML files with a fixed form, whose mistakes are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from rediff.io.suggest import explain
from rediff.io.text_files import read_text

Form = TypeVar("Form")
TEXT, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


def load_yaml(path: Path, kind: type[Form]) -> Form:
    """A YAML file in a form that pydantic checks.

    Args:
        path: the file.
        kind: a pydantic model or dataclass.

    Returns:
        An instance of `kind`.

    Raises:
        ValueError: naming the file: for broken YAML, an unknown key (the nearest right one is
            suggested), or a wrong value.
    """
    return check_form(path, read_yaml(path), kind)


def read_yaml(path: Path) -> Any:
    """A YAML file as plain values. Raises ValueError naming the file if it is broken."""
    try:
        return yaml.load(read_text(path), Loader=_TextKeys)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error


class _TextKeys(yaml.SafeLoader):
    """The safe loader, keys being the text that they are: YAML takes `no`, `2014` and `1e3` for
    something else. A duplicate key is an error."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.seen: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if id(node) not in self.seen:
            self.seen.add(id(node))
            own = [key for key in keys if key.tag != MERGE]
            for number, key in enumerate(own):
                if any(key.value == other.value for other in own[:number]):
                    raise yaml.constructor.ConstructorError(
                        None, None, f"duplicate key {key.value!r}", key.start_mark
                    )
                key.tag = TEXT
        super().flatten_mapping(node)


def check_form(
    path: Path, raw: Any, kind: type[Form], *, at: str = "", keys: Sequence[str] = ()
) -> Form:
    """Plain values as `kind`.

    Args:
        path: the file they came from.
        raw: the values.
        kind: a type that pydantic can check them against.
        at: where in the file they are.
        keys: keys that are right elsewhere in the file.

    Raises:
        ValueError: naming the file, the place, and the nearest right key for an unknown one.
    """
    try:
        return TypeAdapter(kind).validate_python(raw)
    except ValidationError as error:
        reason = explain(error, sorted({*keys, *form_keys(kind)}))
        raise ValueError(f"{path}: {at}{'.' if at else ''}{reason}") from error


def form_keys(kind: Any) -> set[str]:
    """Every key that a form knows, at any depth."""
    return set(_keys(TypeAdapter(kind).json_schema()))


def _keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for part in schema.values():
            yield from _keys(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _keys(part)
