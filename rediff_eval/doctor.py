"""Checks of this machine, and which models and tasks can run on it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psutil
import torch
from huggingface_hub import constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from rediff.captioners.known_models import KnownModel, known_models, shipped_folder, shipped_models
from rediff_eval.benchmarks.load import official_folder
from rediff_eval.benchmarks.task import list_tasks, load_task

State = Literal["ok", "missing", "note"]
PYTHON = (3, 11)
EXTRAS = {
    "nltk": "CAPTURE by its own parser: pip install 'rediff[capture]'",
    "torchvision": "faster pictures for image-text-to-text models: pip install torchvision",
    "peft": "training by low-rank updates: pip install 'rediff[lora]'",
    "deepspeed": "training by ZeRO-3: pip install 'rediff[zero3]'",
    "tensorboard": "`train --tensorboard`: pip install 'rediff[tensorboard]'",
    "starlette": "`serve`: pip install 'rediff[serve]'",
}
"""Optional packages: the use of each, and the line that installs it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `detail`: its value, or the missing part and how to get it.

    `needed`: whether nothing runs without it.
    """

    subject: str
    state: State
    detail: str
    needed: bool = False


def examine() -> Iterator[Finding]:
    """Runs all checks, the cheap ones first."""
    yield from _machine()
    yield from _packages()
    yield _java()
    yield _key("OPENAI_API_KEY", "openai: models and judges")
    yield from _folders()
    yield from (_shipped(name) for name in shipped_models())
    yield from (_known(model) for model in known_models())
    yield from (_task(name) for name in list_tasks())


def _machine() -> Iterator[Finding]:
    enough = sys.version_info[:2] >= PYTHON
    yield Finding("Python", "ok" if enough else "missing", platform.python_version(), needed=True)
    memory = psutil.virtual_memory()
    yield Finding("memory", "ok", f"{_gib(memory.available)} of {_gib(memory.total)} free")
    if not torch.cuda.is_available():
        yield Finding("GPU", "note", "none; the embedded models need none, 8B models do")
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        yield Finding(f"GPU {index}", "ok", f"{name}, {_gib(free)} of {_gib(total)} free")


def _packages() -> Iterator[Finding]:
    for name in ("torch", "transformers", "datasets", "openai", "pandas", "pycocoevalcap"):
        found = _version(name)
        yield Finding(name, "ok" if found else "missing", found or "pip install rediff", True)
    for name, purpose in EXTRAS.items():
        found = _version(name) if find_spec(name) else None
        yield Finding(name, "ok" if found else "note", found or f"not installed; {purpose}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _java() -> Finding:
    java = shutil.which("java")
    return Finding(
        "Java", "ok" if java else "note", java or "none; METEOR and the official tokenizer need it"
    )


def _key(name: str, purpose: str) -> Finding:
    there = bool(os.environ.get(name))
    return Finding(name, "ok" if there else "note", "set" if there else f"not set; for {purpose}")


def _folders() -> Iterator[Finding]:
    for subject, place in (
        ("hub cache", Path(constants.HF_HUB_CACHE)),
        ("run folders", Path("runs").resolve()),
    ):
        existing = next(p for p in (place, *place.parents) if p.exists())
        writable = os.access(existing, os.W_OK)
        free = _gib(shutil.disk_usage(existing).free)
        yield Finding(
            subject,
            "ok" if writable else "missing",
            f"{place}, {free} free" if writable else f"{place} cannot be written to",
        )


def _shipped(name: str) -> Finding:
    weights = list((shipped_folder() / name).glob("*.safetensors"))
    return Finding(
        f"model {name}",
        "ok" if weights else "missing",
        "can run" if weights else "its weights are not in the package; install it again",
    )


def _known(model: KnownModel) -> Finding:
    if why := model.why_not():
        return Finding(f"model {model.name}", "note", why)
    try:
        cached = {repo.repo_id for repo in scan_cache_dir().repos}
    except CacheNotFound:
        cached = set()
    if model.id not in cached:
        return Finding(f"model {model.name}", "note", f"not here; fetched as {model.id} when used")
    if not torch.cuda.is_available():
        return Finding(f"model {model.name}", "note", "in the cache; very slow without a GPU")
    return Finding(f"model {model.name}", "ok", "can run")


def _task(name: str) -> Finding:
    task = load_task(name)
    folder = official_folder(task)
    places = [
        *(["the embedded scenes"] if task.scenes else []),
        *([f"{task.official.name} in {folder}"] if folder and task.official else []),
    ]
    needs = "your own pictures, by --data" if not places else ""
    return Finding(
        f"task {name}", "note" if needs else "ok", f"can run on {needs or ', '.join(places)}"
    )


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
