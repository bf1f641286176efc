"""What exactly made a result."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from rediff.models.load import pick_device
from rediff.models.weights import weights_hash
from rediff_eval.opening import locate
from rediff_eval.registry import ModelChoice
from rediff_eval.samples import SampleSet
from rediff_eval.spec import RunSpec

PACKAGES = ("rediff", "torch", "transformers", "tokenizers", "numpy", "scipy", "pycocoevalcap")


def describe_run(spec: RunSpec, samples: SampleSet, seconds: float) -> dict[str, Any]:
    """Versions, hashes, seeds and hardware of a run, as plain JSON values."""
    return {
        "task": spec.task.model_dump(mode="json"),
        "data": {
            "name": samples.name,
            "samples": len(samples.samples),
            "ids_sha256": _sha256("\n".join(s.id for s in samples.samples).encode()),
        },
        "models": {
            model.name: {"from": f"{model.kind}:{model.where}", **_hashes(model)}
            for model in spec.models
        },
        "samplers": list(spec.samplers),
        "steps": list(spec.steps),
        "seed": spec.seed,
        "batch_size": spec.batch_size,
        "command": " ".join(sys.argv[1:]),
        "seconds": round(seconds, 1),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": pick_device(),
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _hashes(model: ModelChoice) -> dict[str, str]:
    """What tells a model's files from others; nothing is known of a server's model."""
    place = locate(model)
    if place is None:
        return {}
    if place.is_file():
        return {"file_sha256": _sha256(place.read_bytes())}
    return {"weights_sha256": weights_hash(place)}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
