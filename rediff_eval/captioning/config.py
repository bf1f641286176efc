"""What is captioned (models, samplers, budgets), and the key that a caption is stored under."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import rediff
from rediff.captioners.base import Capabilities, Decoding
from rediff.captioners.sources import ModelSource
from rediff.decoding.registry import find_sampler
from rediff.models.weights import files_hash
from rediff.plugins import source_hash

AUTOREGRESSIVE = "autoregressive"
PACKAGES = ("rediff", "torch", "transformers", "tokenizers", "numpy", "pillow", "accelerate")
"""Packages whose version may change a caption."""
NO_CAPTION = "training"
"""The only package of `rediff` whose code makes no caption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptioningConfig:
    """What is captioned, and how the work is done.

    Where `samplers` or `steps` are empty, each model's own and the task's hold. `guidance`: scale
    of classifier-free guidance. `batch_size`: pictures at once. `keep_traces`: how many samples,
    the first ones, keep their denoising steps. `worker_timeout`: seconds that the leading process
    waits once no other is at work.
    """

    models: tuple[ModelSource, ...]
    samplers: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    guidance: float = 0.0
    batch_size: int = 16
    keep_traces: int = 8
    worker_timeout: float = 60.0

    def __post_init__(self) -> None:
        Decoding(guidance=self.guidance)  # refuses a scale that is not finite


@dataclass(frozen=True, slots=True)
class Condition:
    """One model with one sampler at one budget; no budget where the model has no steps.

    `key`: what its captions are stored under.
    """

    model: str
    sampler: str
    steps: int | None
    tokens_per_step: float | None
    key: str = ""

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"{self.model} {self.sampler}" + (f" {self.steps} steps" if self.steps else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionConfig:
    """All that changes a caption, and nothing else: its cache key is a hash of this.

    `model`: what identifies it (see `ModelSource.identity`). `sampler`: with all its numbers.
    `plugins`: hashes of the source of rules and samplers that are not part of this package. The
    picture and what is asked of it are part of a sample's digest.
    """

    model: Mapping[str, str]
    sampler: str
    plugins: Mapping[str, str]
    steps: int | None
    guidance: float
    prompt: str
    device: str
    dtype: str | None
    max_tokens: int | None
    trust_remote_code: bool
    seed: int
    base_url: str | None

    @classmethod
    def of(
        cls, config: CaptioningConfig, source: ModelSource, capabilities: Capabilities, prompt: str,
        condition: Condition,
    ) -> CaptionConfig:  # fmt: skip
        """The configuration of the captions of a condition; `prompt` is the task's."""
        loading, sampler = source.loading, condition.sampler
        plugins: dict[str, str] = {}
        if capabilities.takes_samplers:
            found = find_sampler(sampler)
            sampler, plugins = repr(found), source_hash(parts_of(found))
        return cls(
            model=dict(source.identity), sampler=sampler, plugins=plugins, steps=condition.steps,
            guidance=config.guidance, prompt=prompt, device=torch.device(loading.place).type,
            dtype=loading.dtype, max_tokens=loading.max_tokens,
            trust_remote_code=loading.trust_remote_code, seed=loading.seed,
            base_url=loading.base_url,
        )  # fmt: skip

    def key(self) -> str:
        """The cache key: a hash of all fields, of package versions and of all captioning code."""
        parts = {"config": asdict(self), "versions": versions(), "code": code_hash()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def parts_of(sampler: Any) -> list[object]:
    """A sampler, and its rules."""
    if not is_dataclass(sampler):
        return [sampler]
    return [sampler, *(getattr(sampler, field.name) for field in fields(sampler))]


def conditions_of(
    config: CaptioningConfig, source: ModelSource, capabilities: Capabilities,
    tokens_per_step: tuple[int, ...],
) -> Iterator[Condition]:  # fmt: skip
    """The conditions of one model, without their keys. `tokens_per_step`: the task's budgets.

    Raises ValueError for more steps than the model writes tokens, or for a sampler where the model
    takes none of ours.
    """
    if source.sampler and not capabilities.takes_samplers:
        raise ValueError(
            f"{source.name} decodes in its own way ({capabilities.sampler}), not with our samplers"
        )
    samplers: tuple[str, ...] = (capabilities.sampler,)
    if capabilities.takes_samplers:
        samplers = (source.sampler,) if source.sampler else config.samplers or samplers
    for sampler in samplers:
        for steps in _budgets(config, source, capabilities, tokens_per_step):
            length = capabilities.length
            budget = None if steps is None or length is None else length / steps
            yield Condition(source.name, sampler, steps, budget)


def _budgets(
    config: CaptioningConfig, source: ModelSource, capabilities: Capabilities,
    tokens_per_step: tuple[int, ...],
) -> tuple[int | None, ...]:  # fmt: skip
    length = capabilities.length
    if not capabilities.takes_steps:
        return (length if capabilities.kind == AUTOREGRESSIVE else None,)
    if capabilities.steps is not None:
        return config.steps or (capabilities.steps,)
    assert length is not None
    for steps in config.steps:
        if not 0 < steps <= length:
            raise ValueError(
                f"{steps} steps: {source.name} writes {length} tokens, at least one a step"
            )
    return config.steps or tuple(length // tokens for tokens in tokens_per_step)


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
