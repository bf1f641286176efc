"""Recipe files: where they are, and the values of one with those that it takes from others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rediff.io.strict_yaml import read_yaml
from rediff.io.suggest import unknown

RECIPES = Path(__file__).parent / "recipes"
Values = Mapping[str, Any]


def shipped_recipes() -> Iterator[Path]:
    """The files of the shipped recipes."""
    return iter(sorted(RECIPES.glob("*.yaml")))


def find_recipe(name: str) -> Path:
    """The file of a shipped recipe's name, or `name` itself where it is a file.

    Raises ValueError naming the nearest shipped recipe.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = {path.stem: path for path in shipped_recipes()}
    if name not in shipped:
        raise unknown("recipe", name, shipped)
    return shipped[name]


def read_recipe(path: Path) -> Any:
    """The plain values of a recipe file, with those of the file that it extends, and each stage
    with those of the one that it is like.

    With `extends`, a shipped recipe's name or a file's path from this one's folder, it has all
    stages of that one, and its settings unless it says otherwise; but not its exports. A stage of
    its own comes before the next one in the file that replaces another's. A stage with `like: NAME`
    has the settings of a stage above it, or else of one of the recipe that it extends, unless it
    says otherwise; a mapping in both, as `optimisation`, is merged key by key.

    Args:
        path: the file. A file that is not a mapping is refused by the caller.

    Raises:
        ValueError: naming the file: for broken YAML, one that extends itself, or a stage that is
            like none.
    """
    return _extended(path, ())


def _extended(path: Path, below: tuple[Path, ...]) -> Any:
    """See `read_recipe`. `below`: the files that extend this one."""
    raw = read_yaml(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("stages") or {}, dict):
        return raw
    if path in below:
        raise ValueError(f"{path}: extends itself")
    values = {key: value for key, value in raw.items() if key != "extends"}
    under: Values = {}
    if "extends" in raw:
        base = str(raw["extends"])
        parent = path.parent / base
        parent = parent if parent.is_file() else find_recipe(base)
        under = _extended(parent, (*below, path))
        if not isinstance(under, dict) or not isinstance(under.get("stages"), dict):
            raise ValueError(f"{parent}: not a recipe, and {path} extends it")
        values = {**under, "export": {}, **values}
    if values.get("stages") or under:
        stages = _merged(under.get("stages", {}), raw.get("stages") or {})
        values["stages"] = _with_likes(path, stages, under.get("stages", {}))
    return values


def _merged(under: Values, own: Values) -> dict[str, Any]:
    """All stages, own ones in the place of others of their name; a new one comes before the
    next of those, as it does in its file."""
    stages: dict[str, Any] = {}
    waiting = dict(own)
    for name, body in under.items():
        if name in waiting:
            order = list(waiting)
            for new in order[: order.index(name)]:
                if new not in under:
                    stages[new] = waiting.pop(new)
        stages[name] = waiting.pop(name, body)
    return {**stages, **waiting}


def _with_likes(path: Path, stages: Values, under: Values) -> dict[str, Any]:
    """The stages with the settings of those that they are like. `under`: of the extended recipe."""
    found: dict[str, Any] = {}
    for name, body in stages.items():
        if isinstance(body, dict) and "like" in body:
            own, other = dict(body), str(body["like"])
            del own["like"]
            known = {**under, **found}
            if not isinstance(known.get(other), dict):
                error = unknown("stage above it", other, known)
                raise ValueError(f"{path}: stages.{name}.like: {error}")
            body = _updated(known[other], own)
        found[name] = body
    return found


def _updated(values: Any, own: Values) -> dict[str, Any]:
    """The values with those of `own` in their place; mappings in both key by key."""
    both = dict(values)
    for key, value in own.items():
        nested = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = _updated(both[key], value) if nested else value
    return both
