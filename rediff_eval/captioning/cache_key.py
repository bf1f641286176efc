"""What makes a caption what it is: the key under which it is kept.

Every field of every configuration is either part of the key or named in `RUNTIME_ONLY`, which a
test sees to: a new field that is neither fails it.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import rediff
from rediff.decoding.registry import find_sampler
from rediff.captioners.base import Traits
from rediff.models.weights import files_hash
from rediff.captioners.worker_process import WorkerSpec
from rediff_eval.captioning.opening import locate
from rediff_eval.captioning.models import ModelChoice
from rediff_eval.spec import RunSpec

PACKAGES = ("rediff", "torch", "transformers", "tokenizers", "numpy", "pillow", "accelerate")
"""Packages whose version may change a caption."""

RUNTIME_ONLY: Mapping[str, frozenset[str]] = {
    "RunSpec": frozenset(
        {"models", "samplers", "steps", "limit", "batch_size", "data", "data_dir", "out",
         "max_failures", "traces", "grace", "seed", "scoring", "judge", "key_env"}
    ),
    "Task": frozenset(
        {"name", "summary", "scenes", "official", "limit", "tokens_per_step", "metrics",
         "main_metric"}
    ),
    "Loading": frozenset({"device_map"}),
    "ModelChoice": frozenset({"name", "kind", "where", "sampler"}),
}  # fmt: skip
"""Fields that change no caption, or that stand in the key in another form: what `models`, `where`
and `samplers` name is hashed itself, `seed` is that of the bootstrap (`Loading.seed` that of a
model), samples are told by the digests of their pictures, and scores are made anew each time
(a judge's replies have keys of their own, see `rediff.llm_client.cache`)."""


def cell_key(
    spec: RunSpec, model: Mapping[str, str], traits: Traits, sampler: str, steps: int | None
) -> str:
    """The key of a cell. `model`: what `model_identity` says of its model."""
    own = find_sampler(sampler) if traits.takes_samplers else None
    parts = {
        "model": dict(model),
        "sampler": sampler if own is None else repr(own),
        "sampler_code": {} if own is None else sampler_code(own),
        "steps": steps,
        "spec": _kept(spec, "RunSpec"),
        "versions": versions(),
        "code": code_hash(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _kept(config: Any, kind: str) -> dict[str, Any]:
    """The fields of a configuration that are not runtime-only."""
    names = (
        [field.name for field in fields(config)]
        if hasattr(config, "__dataclass_fields__")
        else list(type(config).model_fields)
    )
    kept = {name: getattr(config, name) for name in names if name not in RUNTIME_ONLY[kind]}
    if kind == "RunSpec":
        kept["task"] = _kept(kept["task"], "Task")
        kept["loading"] = _kept(kept["loading"], "Loading")
        kept["loading"]["device"] = torch.device(config.loading.place).type
    return kept


def model_identity(
    model: ModelChoice, *, code: bool = False, base_url: str | None = None
) -> dict[str, str]:
    """What tells a model from every other: hashes of its files, or a server's name for it.

    Of a worker its file, and all files and folders that its command names. `code`: see `locate`.
    """
    place = locate(model, code=code)
    if place is None:
        address = base_url or os.environ.get("OPENAI_BASE_URL", "")
        return {"server": model.where, "address": address}
    roots = [place, *(_named_by(place) if model.kind == "worker" else [])]
    files = [path for root in roots for path in _files(root)]
    base = place if place.is_dir() else place.parent
    return {f"{model.kind}:{os.path.relpath(path, base)}": files_hash([path]) for path in files}


def _files(root: Path) -> list[Path]:
    """A file itself, or all files in a folder, in the order of their names."""
    return [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())


def _named_by(worker: Path) -> list[Path]:
    """What a worker's command names, but for the program itself."""
    spec = WorkerSpec.load(worker)
    assert spec.cwd is not None
    return [path for part in spec.command[1:] if (path := spec.cwd / part).exists()]


NO_CAPTION = "training"
"""The only package of `rediff` whose code makes no caption."""
OF_HARNESS = ("answers.py", "runner.py")
"""Modules of the harness that a caption goes through."""


def code_files() -> list[Path]:
    """The source files that may change a caption: all of `rediff` but its training, whatever its
    folders are called, and two modules here."""
    root, here = Path(rediff.__file__).parent, Path(__file__).parent
    assert (root / NO_CAPTION).is_dir()
    own = (p for p in root.rglob("*.py") if p.relative_to(root).parts[0] != NO_CAPTION)
    return [*sorted(own), *(here / name for name in OF_HARNESS)]


@functools.cache
def code_hash() -> str:
    """SHA-256 over `code_files`; it changes between versions, too."""
    return files_hash(code_files())


def sampler_code(sampler: Any) -> dict[str, str]:
    """A hash of the source that defines each part of a sampler, by its class: a rule that is not
    part of this package changes without a new version."""
    parts = [sampler, *(getattr(sampler, field.name) for field in fields(sampler))]
    kinds = {type(part) for part in parts if type(part).__module__ != "builtins"}
    found = {}
    for kind in kinds:
        path = inspect.getsourcefile(kind)
        assert path is not None
        found[f"{kind.__module__}.{kind.__qualname__}"] = files_hash([Path(path)])
    return found


def versions() -> dict[str, str]:
    """The versions of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
