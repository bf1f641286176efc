"""The key that a caption is stored under: a hash of all that changes it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import rediff
from rediff.captioners.base import Capabilities
from rediff.captioners.sources import ModelSource
from rediff.decoding.registry import find_sampler
from rediff.io.files import files_hash
from rediff.plugins import source_hash
from rediff_eval.captioning.config import CaptioningConfig, Condition

PACKAGES = ("rediff", "torch", "transformers", "tokenizers", "numpy", "pillow", "accelerate")
"""Packages whose version may change a caption."""
NO_CAPTION = "training"
"""The only package of `rediff` whose code makes no caption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionConfig:
    """All that changes a caption, and nothing else: its cache key is a hash of this.

    `model`: its identity (see `ModelSource.identity`). `sampler`: with all its numbers.
    `plugins`: hashes of the source of rules and samplers that are not part of this package. The
    picture and question are part of a sample's digest.
    """

    model: Mapping[str, str]
    sampler: object
    plugins: Mapping[str, str]
    steps: int | None
    guidance: float
    prompt: str
    device: str
    dtype: str | None
    max_tokens: int | None
    trust_remote_code: bool
    compiled: bool
    seed: int
    base_url: str | None

    @classmethod
    def of(
        cls,
        config: CaptioningConfig,
        source: ModelSource,
        capabilities: Capabilities,
        prompt: str,
        condition: Condition,
    ) -> CaptionConfig:
        """The configuration of the captions of a condition.

        Args:
            config: the captioning of the run.
            source: the model.
            capabilities: of its captioner.
            prompt: the task's.
            condition: its sampler and budget.
        """
        loading = source.loading
        sampler: object = condition.sampler
        plugins: dict[str, str] = {}
        if capabilities.takes_samplers:
            found = find_sampler(condition.sampler)
            sampler, plugins = as_plain(found), source_hash(parts_of(found))
        return cls(
            model=dict(source.identity),
            sampler=sampler,
            plugins=plugins,
            steps=condition.steps,
            guidance=config.guidance,
            prompt=prompt,
            device=torch.device(loading.place).type,
            dtype=loading.dtype,
            max_tokens=loading.max_tokens,
            trust_remote_code=loading.trust_remote_code,
            compiled=loading.compiled,
            seed=loading.seed,
            base_url=loading.base_url,
        )

    def key(self) -> str:
        """The cache key: a hash of all fields, of package versions and of all captioning code."""
        parts = {"config": asdict(self), "versions": versions(), "code": code_hash()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def as_plain(value: object) -> object:
    """A value as JSON, the same in every process: types by their names, objects by their fields.

    Examples:
        >>> from rediff.decoding.schedules import EarlySchedule
        >>> as_plain(EarlySchedule(early=0.2))
        {'type': 'rediff.decoding.schedules.EarlySchedule', 'early': 0.2, 'filled': 1.0}
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if is_dataclass(value):
        held = {field.name: getattr(value, field.name) for field in fields(value)}
    else:
        held = dict(getattr(value, "__dict__", {}))
    return {"type": as_plain(type(value)), **{name: as_plain(item) for name, item in held.items()}}


def parts_of(sampler: Any) -> list[object]:
    """A sampler, and its rules."""
    if not is_dataclass(sampler):
        return [sampler]
    return [sampler, *(getattr(sampler, field.name) for field in fields(sampler))]


def code_files() -> list[Path]:
    """The source files that may change a caption: all of `rediff` but its training, whatever its
    folders are called, and the folder of this module."""
    root, here = Path(rediff.__file__).parent, Path(__file__).parent
    assert (root / NO_CAPTION).is_dir()
    method = (p for p in root.rglob("*.py") if p.relative_to(root).parts[0] != NO_CAPTION)
    return [*sorted(method), *sorted(here.glob("*.py"))]


@functools.cache
def code_hash() -> str:
    """SHA-256 over `code_files`; it changes between versions, too."""
    return files_hash(code_files())


def versions() -> dict[str, str]:
    """The versions of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
