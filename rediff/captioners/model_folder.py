"""Captioners of model folders and hub repositories, chosen by their `config.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from rediff.captioners import diffusion_gemma
from rediff.captioners.autoregressive import AutoregressiveCaptioner
from rediff.captioners.base import Captioner
from rediff.captioners.diffusion import DiffusionCaptioner
from rediff.captioners.sources import FOLDER, HUB, Loading, file_hashes, register_captioner
from rediff.captioners.transformers_vlm import TransformersCaptioner
from rediff.io.hub import fetch
from rediff.models.checkpoint import DTYPES, Checkpoint
from rediff.models.config import CONFIG_FILE, check_adapter
from rediff.models.official import find_official


@register_captioner(FOLDER, identify=lambda where, loading: file_hashes(FOLDER, [Path(where)]))
def open_folder(where: str, loading: Loading) -> Captioner:
    """The captioner of a folder. Raises as `load_captioner`."""
    return load_captioner(Path(where), loading)


def _fetched(where: str, loading: Loading) -> Path:
    return fetch(where, code=loading.trust_remote_code)


@register_captioner(
    HUB, identify=lambda where, loading: file_hashes(HUB, [_fetched(where, loading)])
)
def open_hub(where: str, loading: Loading) -> Captioner:
    """The captioner of a hub repository, fetched first. Raises as `fetch` and `load_captioner`."""
    return load_captioner(_fetched(where, loading), loading)


def load_captioner(folder: Path, loading: Loading | None = None) -> Captioner:
    """The captioner of a checkpoint of ours, an official one, or a transformers model folder.

    Args:
        folder: the model.
        loading: how it is loaded.

    Raises:
        FileNotFoundError: if the folder holds no model.
        ValueError: for a model that is broken, of an unknown kind, or that needs code of its own.
    """
    loading = loading or Loading()
    check_adapter(folder)
    if (folder / CONFIG_FILE).is_file() or find_official(folder):
        checkpoint = Checkpoint.load(
            folder, device=loading.place, dtype=loading.dtype, device_map=loading.device_map
        )
        checkpoint = with_length(checkpoint, loading.max_tokens)
        if checkpoint.config.kind == "autoregressive":
            return AutoregressiveCaptioner(checkpoint)
        return DiffusionCaptioner(checkpoint, compiled=loading.compiled)
    config = read_config(folder)
    check_kind(folder, config, trust_remote_code=loading.trust_remote_code)
    options = _options(loading)
    if config["model_type"] == diffusion_gemma.MODEL_TYPE:
        return diffusion_gemma.DiffusionGemmaCaptioner.load(folder, seed=loading.seed, **options)
    return TransformersCaptioner.load(
        folder, trust_remote_code=loading.trust_remote_code, **options
    )


def with_length(checkpoint: Checkpoint, length: int | None) -> Checkpoint:
    """The checkpoint with another length of its canvas.

    Args:
        checkpoint: a diffusion checkpoint.
        length: tokens; None for its own.

    Raises:
        ValueError: if the model does not have as many positions.
    """
    if length is None:
        return checkpoint
    most = getattr(checkpoint.model.config.text_config, "max_position_embeddings", length)
    if length >= most:
        raise ValueError(f"`max_tokens` {length}: the model has {most} positions, prompt included")
    return checkpoint.with_config(canvas=length)


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json`. Raises FileNotFoundError where there is none, ValueError for a broken one."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a model folder: it has neither {CONFIG_FILE} nor config.json"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ValueError(f"{path} has no model_type")
    return config


def check_kind(folder: Path, config: dict[str, Any], *, trust_remote_code: bool) -> None:
    """Raises ValueError for a model that no captioner here can run."""
    kind = config["model_type"]
    if "auto_map" in config and not trust_remote_code:
        raise ValueError(
            f"{folder} needs Python code that comes with it; read that code, and if you trust it,"
            " add `trust_remote_code`"
        )
    if kind == "llava_onevision" and config.get("text_config", {}).get("is_causal") is False:
        raise ValueError(
            f"{folder} is a diffusion model, but has no {CONFIG_FILE}: convert it again"
        )
    known = {*MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, diffusion_gemma.MODEL_TYPE}
    if kind not in known and "auto_map" not in config:
        names = ", ".join(config.get("architectures") or [])
        raise ValueError(
            f"{folder} is of kind {kind!r} ({names}), which is neither LLaDA-V, LaViDa nor an"
            " image-text-to-text model of transformers; run it as a worker"
        )


def _options(loading: Loading) -> dict[str, Any]:
    on_cpu = loading.device_map is None and torch.device(loading.place).type == "cpu"
    default = torch.float32 if on_cpu else "auto"
    options: dict[str, Any] = {
        "dtype": default if loading.dtype is None else DTYPES[loading.dtype],
        "device_map": loading.device_map or {"": loading.place},
    }
    if loading.max_tokens is not None:
        options["length"] = loading.max_tokens
    return options
