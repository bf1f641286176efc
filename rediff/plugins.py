"""Names that code registers, and plug-ins: other people's code that registers names.

A plug-in is a Python file, a module, or an installed package with an entry point in the group
`rediff.plugins`. Loading it runs it, so it is loaded only where a user names or installs it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from rediff.io.suggest import unknown

Value = TypeVar("Value")
GROUP = "rediff.plugins"
"""Entry point group of installed plug-ins."""
PLUGINS = "REDIFF_PLUGINS"
"""Environment variable: plug-ins to load, separated as paths are."""
HOME = "rediff"
"""The package of this project, whose definitions are not plug-ins."""
TRAINING = (
    "rediff.training.stages",
    "rediff.training.stages.experts",
    "rediff.scenes.training",
)
"""The packages that register stages, data and experts of training."""

BUILT_IN = "built in"
"""The origin of built-in values."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[Value]):
    """A registered value. `module`: the module that registered it. `home`: see `Registry`."""

    name: str
    value: Value
    module: str
    home: str = HOME

    @property
    def origin(self) -> str:
        """Where it came from: `BUILT_IN`, or the file or package of a plug-in."""
        if self.module.partition(".")[0] in (HOME, self.home):
            return BUILT_IN
        root = source_root(self.module)
        return self.module if root is None else str(root)


class Registry(Generic[Value], Mapping[str, Value]):
    """Values by name, in the order of registration.

    `what`: a word for one of them, for messages. `packages`: their modules register the built-in
    values; they are imported when a value is first looked up. `home`: the package whose values are
    built in, beside those of `rediff`.

    Examples:
        >>> colours = Registry[int]("colour")
        >>> colours.add("red", 1, module=__name__)
        >>> colours["rad"]
        Traceback (most recent call last):
        ValueError: unknown colour 'rad'; did you mean 'red'?
    """

    def __init__(self, what: str, packages: Sequence[str] = (), *, home: str = HOME) -> None:
        self.what = what
        self.home = home
        self.packages = list(packages)
        self.entries: dict[str, Entry[Value]] = {}

    def loaded(self) -> dict[str, Entry[Value]]:
        """All entries, those of the packages among them."""
        while self.packages:
            import_all(importlib.import_module(self.packages[0]))
            del self.packages[0]
        return self.entries

    def add(self, name: str, value: Value, *, module: str) -> None:
        """Registers a value.

        Args:
            name: its name.
            value: the value.
            module: the module that registers it.

        Raises:
            ValueError: if another module has registered the name.
        """
        known = self.entries.get(name)
        if known is not None and known.module != module:
            raise ValueError(
                f"plug-in {module}: the {self.what} {name!r} is registered already ({known.origin})"
            )
        self.entries[name] = Entry(name, value, module, self.home)

    def register(self, name: str) -> Callable[[Any], Any]:
        """A decorator that registers a function or class."""

        def decorate(value: Any) -> Any:
            self.add(name, value, module=value.__module__)
            return value

        return decorate

    @contextmanager
    def blaming(self, name: str) -> Iterator[None]:
        """Turns an error of a plug-in into one that names it; built-in values raise their own.

        Raises:
            RuntimeError: naming the plug-in. Errors of files and disks (OSError) stay as they are.
        """
        entry = self.loaded().get(name)
        if entry is None or entry.origin == "built in":
            yield
            return
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            reason = _reason(error, getattr(sys.modules.get(entry.module), "__file__", None))
            raise RuntimeError(
                f"plug-in {entry.origin}: the {self.what} {name!r} failed: {reason}"
            ) from error

    def __getitem__(self, name: str) -> Value:
        """Raises ValueError that suggests the nearest name."""
        entries = self.loaded()
        if name not in entries:
            raise unknown(self.what, name, entries)
        return entries[name].value

    def get(self, name: str, default: Any = None) -> Any:
        """The value of that name, without an error for an unknown one.

        Args:
            name: as registered.
            default: the value of an unknown name.
        """
        entry = self.loaded().get(name)
        return default if entry is None else entry.value

    def __contains__(self, name: object) -> bool:
        return name in self.loaded()

    def __iter__(self) -> Iterator[str]:
        return iter(self.loaded())

    def __len__(self) -> int:
        return len(self.loaded())


def import_all(package: ModuleType) -> None:
    """Imports the modules of a package, so that each registers its definitions."""
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")


def load_plugins(named: Sequence[str] = ()) -> None:
    """Loads the plug-ins that are installed, that the environment names, and that `named` names.

    Args:
        named: files (`my_plugin.py`, `folder/plugin.py`) or modules (`my_package.plugin`).

    Raises:
        ValueError: naming the plug-in that cannot be loaded, and why.
    """
    for point in entry_points(group=GROUP):
        _load(f"{point.name} ({point.value})", point.load)
    listed = [name for name in os.environ.get(PLUGINS, "").split(os.pathsep) if name]
    for name in (*listed, *named):
        _load(name, lambda name=name: _import(name))  # type: ignore[misc]


def _load(name: str, load: Callable[[], object]) -> None:
    try:
        load()
    except Exception as error:
        raise ValueError(f"plug-in {name}: {_reason(error, os.path.abspath(name))}") from error


def _reason(error: Exception, file: str | None) -> str:
    """The message of a plug-in's error, with the last line of the plug-in's file that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    where = f" ({Path(file).name}:{lines[-1]})" if file and lines else ""
    return f"{type(error).__name__}: {error}{where}"


def _import(name: str) -> ModuleType:
    path = Path(name)
    if path.suffix != ".py":
        return importlib.import_module(name)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    digest = hashlib.sha256(bytes(path.resolve())).hexdigest()[:8]
    module_name = f"plugin_{path.stem}_{digest}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def source_root(module: str) -> Path | None:
    """The file of a module's source, or the folder of the package that it belongs to.

    None for a module without a source file.
    """
    top = sys.modules.get(module.partition(".")[0])
    if top is None:
        return None
    path = inspect.getsourcefile(top)
    if path is None:
        return None
    return Path(path).parent if hasattr(top, "__path__") else Path(path)


def source_hash(values: Sequence[object]) -> dict[str, str]:
    """A hash of the source of every plug-in that defines one of the values, by its module.

    All Python files of a package count. This package's definitions are left out, since its version
    and a hash of all its code are part of every key.
    """
    found = {}
    for value in values:
        module = value.__module__ if hasattr(value, "__module__") else type(value).__module__
        if module.partition(".")[0] in (HOME, "builtins"):
            continue
        root = source_root(module)
        if root is None:
            continue
        files = [root] if root.is_file() else sorted(root.rglob("*.py"))
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in files))
        found[module] = digest.hexdigest()
    return found
