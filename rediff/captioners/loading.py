"""The captioner of a model folder, by what its `config.json` says it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from rediff.captioners import diffusion_gemma
from rediff.models import llada_v
from rediff.captioners.autoregressive import AutoregressiveCaptioner
from rediff.captioners.base import Captioner
from rediff.models.config import CARD, Dtype, check_adapter
from rediff.models.checkpoint import DTYPES, Checkpoint
from rediff.captioners.diffusion import DiffusionCaptioner
from rediff.captioners.transformers_vlm import ImageTextToTextCaptioner


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How to load a model.

    `device`: None for the first GPU or the CPU. `dtype`: None for the model's own on a GPU and
    float32 on a CPU. `device_map`: an accelerate map over several devices. `length`: tokens a
    caption may have, the canvas of a diffusion model; None for the model's own.
    `trust_remote_code`: run code that comes with the model.
    """

    device: str | None = None
    dtype: Dtype | None = None
    device_map: str | None = None
    length: int | None = None
    trust_remote_code: bool = False
    seed: int = 0

    @property
    def place(self) -> str:
        return self.device or pick_device()


def pick_device() -> str:
    """The first GPU where there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_captioner(folder: Path, loading: Loading = Loading()) -> Captioner:
    """The captioner of a checkpoint of ours, an official one, or a transformers model folder.

    Raises FileNotFoundError if the folder holds no model, ValueError for a model that is broken,
    of no known kind, or only to be had with code of its own.
    """
    check_adapter(folder)
    if (folder / CARD).is_file() or llada_v.is_official(folder):
        checkpoint = Checkpoint.load(
            folder, device=loading.place, dtype=loading.dtype, device_map=loading.device_map
        )
        checkpoint = with_length(checkpoint, loading.length)
        if checkpoint.card.kind == "autoregressive":
            return AutoregressiveCaptioner(checkpoint)
        return DiffusionCaptioner(checkpoint)
    config = read_config(folder)
    check_kind(folder, config, trust_remote_code=loading.trust_remote_code)
    options = _options(loading)
    if config["model_type"] == diffusion_gemma.MODEL_TYPE:
        return diffusion_gemma.DiffusionGemmaCaptioner.load(folder, seed=loading.seed, **options)
    return ImageTextToTextCaptioner.load(
        folder, trust_remote_code=loading.trust_remote_code, **options
    )


def with_length(checkpoint: Checkpoint, length: int | None) -> Checkpoint:
    """The checkpoint with a canvas of `length` tokens, its own where None is given.

    Raises ValueError if the model has not as many positions.
    """
    if length is None:
        return checkpoint
    most = getattr(checkpoint.model.config.text_config, "max_position_embeddings", length)
    if length >= most:
        raise ValueError(f"`max_tokens` {length}: the model has {most} positions, prompt included")
    return checkpoint.with_card(canvas=length)


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json`. Raises FileNotFoundError where there is none, ValueError for a broken one."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is no model folder: it has neither {CARD} nor config.json"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ValueError(f"{path} names no model_type")
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
        raise ValueError(f"{folder} is a diffusion model, but has no {CARD}: convert it anew")
    known = {*MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, diffusion_gemma.MODEL_TYPE}
    if kind not in known and "auto_map" not in config:
        names = ", ".join(config.get("architectures") or [])
        raise ValueError(
            f"{folder} is of kind {kind!r} ({names}), which is neither LLaDA-V nor an"
            " image-text-to-text model of transformers; run it as a worker"
        )


def _options(loading: Loading) -> dict[str, Any]:
    on_cpu = loading.device_map is None and torch.device(loading.place).type == "cpu"
    default = torch.float32 if on_cpu else "auto"
    options: dict[str, Any] = {
        "dtype": default if loading.dtype is None else DTYPES[loading.dtype],
        "device_map": loading.device_map or {"": loading.place},
    }
    if loading.length is not None:
        options["length"] = loading.length
    return options
