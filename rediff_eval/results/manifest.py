"""The manifest of a run: all that made its results."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from rediff.captioners.sources import ModelSource, weights_digest
from rediff.io.files import files_hash
from rediff.io.rank import Rank
from rediff.llm_client.chat_model import ChatModel
from rediff.llm_client.prices import dollars, load_prices
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.benchmarks.task import Task
from rediff_eval.captioning.caption_key import versions
from rediff_eval.captioning.config import CaptioningConfig, Condition
from rediff_eval.judging.opening import is_oracle
from rediff_eval.metrics.config import ScoringConfig
from rediff_eval.results.numbers import ConditionResult
from rediff_eval.results.resume import asked, loading_of, scoring_of
from rediff_eval.sanitize import without_secrets


def describe_run(
    task: Task,
    samples: SampleSet,
    captioning: CaptioningConfig,
    scoring: ScoringConfig,
    judge: ChatModel | None,
    conditions: Sequence[Condition],
    scored: Sequence[ConditionResult],
    *,
    rank: Rank,
    seconds: float,
) -> dict[str, Any]:
    """Versions, hashes, seeds and hardware of a run, as plain JSON values.

    Values that may differ between two runs of the same results are under `timing`.

    Args:
        task: the benchmark.
        samples: its data.
        captioning: models, samplers and budgets.
        scoring: metrics and judge.
        judge: the client that judged, or None.
        conditions: with their keys; none for captions made elsewhere.
        scored: the results.
        rank: which of the processes writes, of how many.
        seconds: how long the run took.
    """
    packages = {name: version(name) for name in ("scipy", "pycocoevalcap")}
    return {
        "task": task.model_dump(mode="json"),
        "data": _describe_data(samples),
        "models": {m.name: _describe_model(m, imported=not conditions) for m in captioning.models},
        "cells": {condition.title: condition.key for condition in conditions},
        "scorers": {name: made for one in scored for name, made in one.scorers.items()},
        "scoring": scoring_of(scoring),
        "judge": None if judge is None else _describe_judge(judge),
        "asked": asked(captioning.models),
        "samplers": list(captioning.samplers),
        "steps": list(captioning.steps),
        "guidance": captioning.guidance,
        "loading": loading_of(captioning.models),
        "seed": scoring.seed,
        "command": without_secrets(shlex.join(sys.argv[1:])),
        "versions": {"python": platform.python_version(), **versions(), **packages},
        "hardware": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "device": describe_device(captioning.models[0].loading.place),
        },
        "timing": {
            "seconds": round(seconds, 1),
            "processes": rank.world,
            "threads": torch.get_num_threads(),
            "batch_size": captioning.batch_size,
            "judge": None if judge is None else _describe_usage(judge),
        },
    }


def describe_device(place: str) -> str:
    """A device with the name of its GPU."""
    device = torch.device(place)
    return f"{place} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else place


def _describe_model(source: ModelSource, *, imported: bool) -> dict[str, str]:
    """Where a model is from, and a hash of its weights, or of the file in its place.

    `imported`: its captions were made elsewhere, and `where` is their file.
    """
    described = {"from": f"{source.scheme}:{source.where}"}
    path = Path(source.where)
    if path.is_file():
        return {**described, "file_sha256": files_hash([path])}
    digest = None if imported else weights_digest(source.identity)
    return described if digest is None else {**described, "weights_sha256": digest}


def _describe_data(samples: SampleSet) -> dict[str, Any]:
    return {
        "name": samples.name,
        "samples": len(samples.samples),
        "kind": samples.kind,
        "path": None if samples.place is None else str(samples.place),
        "sha256": samples.digest,
    }


def _describe_judge(judge: ChatModel) -> dict[str, Any]:
    return {
        "model": judge.spec.model,
        "endpoint": without_secrets(judge.spec.endpoint),
        "tokens_in": judge.usage.used_in,
        "tokens_out": judge.usage.used_out,
    }


def _describe_usage(judge: ChatModel) -> dict[str, Any]:
    """Calls and cost of this run, and of replies that were cached."""
    usage, spec = judge.usage, judge.spec
    free = spec.address is not None or is_oracle(spec)  # the oracle's server has an address
    price = load_prices().get(spec.model)
    paid = 0.0 if free else dollars(price, usage.tokens_in, usage.tokens_out, batch=spec.batch)
    return {**usage.to_record(), "dollars": paid}
