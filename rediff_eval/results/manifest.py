"""What exactly made a result."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from rediff.llm_client.chat_model import ChatModel
from rediff.llm_client.prices import load_prices
from rediff.models.weights import files_hash, weights_hash
from rediff_eval.captioning.cache_key import versions
from rediff_eval.captioning.opening import locate
from rediff_eval.prices import judge_dollars
from rediff.io.rank import Rank
from rediff_eval.captioning.models import ModelChoice
from rediff_eval.results.numbers import CellResult
from rediff_eval.results.run_folder import asked
from rediff_eval.sanitize import without_secrets
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.spec import RunSpec


def describe_run(
    spec: RunSpec,
    samples: SampleSet,
    keys: Mapping[str, str],
    scored: Sequence[CellResult],
    judge: ChatModel | None,
    rank: Rank,
    seconds: float,
    identities: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Versions, hashes, seeds and hardware of a run, as plain JSON values.

    `keys`: of the cells, by their titles; `identities`: of models, by their names. What may differ
    between two runs of the same results stands under `timing`.
    """
    return {
        "task": spec.task.model_dump(mode="json"),
        "data": {
            "name": samples.name,
            "samples": len(samples.samples),
            "kind": samples.kind,
            "path": None if samples.place is None else str(samples.place),
            "sha256": samples.digest,
        },
        "models": {
            model.name: {
                "from": f"{model.kind}:{model.where}",
                **_hashes(model, identities.get(model.name)),
            }
            for model in spec.models
        },
        "cells": dict(keys),
        "scorers": {name: made for cell in scored for name, made in cell.scorers.items()},
        "scoring": {name: _plain(value) for name, value in asdict(spec.scoring).items()},
        "judge": None if judge is None else describe_judge(judge),
        "asked": asked(spec),
        "samplers": list(spec.samplers),
        "steps": list(spec.steps),
        "guidance": spec.guidance,
        "seed": spec.seed,
        "command": without_secrets(shlex.join(sys.argv[1:])),
        "versions": {"python": platform.python_version(), **versions(), **_scorers()},
        "hardware": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "device": describe_device(spec.loading.place),
        },
        "timing": {
            "seconds": round(seconds, 1),
            "processes": rank.world,
            "threads": torch.get_num_threads(),
            "batch_size": spec.batch_size,
            "judge": None if judge is None else describe_bill(spec, judge),
        },
    }


def describe_judge(judge: ChatModel) -> dict[str, Any]:
    """The judge, where it is, and the tokens of the replies that verdicts were read from."""
    return {
        "model": judge.spec.model,
        "endpoint": without_secrets(judge.spec.endpoint),
        "tokens_in": judge.bill.used_in,
        "tokens_out": judge.bill.used_out,
    }


def describe_bill(spec: RunSpec, judge: ChatModel) -> dict[str, Any]:
    """What was asked and paid now, and what had been answered before."""
    paid = None if spec.judge is None else judge_dollars(judge.bill, spec.judge, load_prices())
    return {**judge.bill.to_record(), "dollars": 0.0 if spec.judge is None else paid}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def describe_device(place: str) -> str:
    """A device with the name of its GPU."""
    device = torch.device(place)
    return f"{place} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else place


def _scorers() -> dict[str, str]:
    """Versions of what changes a score, but no caption."""
    return {name: version(name) for name in ("scipy", "pycocoevalcap")}


def _hashes(model: ModelChoice, identity: Mapping[str, str] | None) -> dict[str, str]:
    """What tells a model's files from others; nothing is known of a server's model.

    `identity`: what the keys of its captions were made of, so that no weights are read twice.
    """
    place = locate(model)
    if place is None:
        return {}
    if place.is_file():
        return {"file_sha256": files_hash([place])}
    if identity is None:
        return {"weights_sha256": weights_hash(place)}
    weights = [made for name, made in sorted(identity.items()) if name.endswith(".safetensors")]
    joined = hashlib.sha256("".join(weights).encode()).hexdigest()
    return {"weights_sha256": weights[0] if len(weights) == 1 else joined}
