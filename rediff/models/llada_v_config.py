"""The `config.json` of LLaDA-V and ReDiff, read as transformers' configuration.

What would change the network and is not known of LLaDA-V is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import (
    LlamaConfig,
    LlavaOnevisionConfig,
    SiglipVisionConfig,
)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from rediff.io.text_files import parse_json, read_text
from rediff.models.anyres import ANYRES, grid_pinpoints

MODEL_TYPE = "llava_llada"


TOWERS: Mapping[str, Mapping[str, int]] = {
    "siglip2-so400m-patch14-384": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 384,
        "patch_size": 14,
    },
}
"""Vision towers that a checkpoint may name instead of describing."""


ONLY: Mapping[str, Any] = {
    "mm_projector_type": "mlp2x_gelu",
    "mm_patch_merge_type": "spatial_unpad",
    "mm_newline_position": "grid",
    "mm_vision_select_feature": "patch",
    "mm_use_im_start_end": False,
    "mm_resampler_type": None,
    "tie_word_embeddings": False,
}
"""Keys of a config that would change the network or its prompt, with what is known of LLaDA-V."""


PUBLISHED: Mapping[str, Any] = {
    "model_type": MODEL_TYPE,
    "vocab_size": 126464,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500_000.0,
    "mm_vision_tower": "google/siglip2-so400m-patch14-384",
    "mm_vision_select_layer": -2,
    "image_aspect_ratio": "anyres_max_4",
    "image_grid_pinpoints": "(1x1),...,(6x6)",
}
"""What the published 8B checkpoint's `config.json` says of its shape."""


def is_official(folder: Path) -> bool:
    """Whether a folder holds a checkpoint in the official naming."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == MODEL_TYPE


def model_config(raw: Mapping[str, Any]) -> LlavaOnevisionConfig:
    """transformers' configuration for an official `config.json`.

    Raises ValueError for an unknown vision tower, picture format or projector, and for whatever
    else would change the network and is not known of LLaDA-V.
    """
    for key, known in ONLY.items():
        if raw.get(key) not in (None, known):
            raise ValueError(f"{key} {raw[key]!r}: only {known!r} is known of LLaDA-V")
    ratio = raw.get("image_aspect_ratio")
    if not re.fullmatch(rf"{ANYRES}(_max_\d+)?", str(ratio)):
        raise ValueError(
            f"image_aspect_ratio {ratio!r}: only 'anyres' and 'anyres_max_N' are known of LLaDA-V"
        )
    if raw.get("image_grid_pinpoints") is None:
        raise ValueError("the config has no image_grid_pinpoints, so tiles cannot be cut")
    vision: Any = vision_config(raw)
    return LlavaOnevisionConfig(
        vision_config=vision.to_dict(),
        text_config=_text_config(raw).to_dict(),
        image_token_index=raw["vocab_size"] - 1,
        image_grid_pinpoints=grid_pinpoints(raw["image_grid_pinpoints"], vision.image_size),
        vision_aspect_ratio=raw["image_aspect_ratio"],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )


def read_config(folder: Path) -> LlavaOnevisionConfig:
    """The same of an official folder; a vision tower that is a folder describes itself.

    Raises ValueError naming the file.
    """
    path = folder / "config.json"
    raw = parse_json(read_text(path), str(path))
    tower = tower_folder(raw, folder)
    if tower is not None and not raw.get("vision_config"):
        own = parse_json(read_text(tower / "config.json"), str(tower / "config.json"))
        raw = {**raw, "vision_config": own.get("vision_config", own)}
    try:
        return model_config(raw)
    except KeyError as error:
        raise ValueError(f"{path} has no {error.args[0]!r}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def tower_folder(raw: Mapping[str, Any], folder: Path) -> Path | None:
    """The folder that `mm_vision_tower` names: as it is, or beside the checkpoint at `folder`."""
    name = raw.get("mm_vision_tower") or ""
    places = (Path(name), folder / name, folder.parent / Path(name).name) if name else ()
    return next((p for p in places if p != folder and (p / "config.json").is_file()), None)


def _text_config(raw: Mapping[str, Any]) -> LlamaConfig:
    text = LlamaConfig(
        vocab_size=raw["vocab_size"],
        hidden_size=raw["hidden_size"],
        intermediate_size=raw["intermediate_size"],
        num_hidden_layers=raw["num_hidden_layers"],
        num_attention_heads=raw["num_attention_heads"],
        num_key_value_heads=raw.get("num_key_value_heads", raw["num_attention_heads"]),
        max_position_embeddings=raw["max_position_embeddings"],
        rms_norm_eps=raw["rms_norm_eps"],
        rope_parameters=_rope(raw),
        hidden_act=raw.get("hidden_act", "silu"),
        attention_bias=bool(raw.get("attention_bias")),
        mlp_bias=bool(raw.get("mlp_bias")),
        head_dim=raw.get("head_dim"),
        bos_token_id=raw.get("bos_token_id"),
        eos_token_id=raw.get("eos_token_id"),
        pad_token_id=None,
    )
    text.is_causal = False
    return text


def _rope(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The rotary embedding: `rope_theta`, and `rope_scaling` where there is one.

    Raises ValueError for a kind of scaling that transformers does not know.
    """
    scaling = dict(raw.get("rope_scaling") or {})
    kind = scaling.pop("rope_type", scaling.pop("type", "default"))
    if kind != "default" and kind not in ROPE_INIT_FUNCTIONS:
        raise ValueError(
            f"rope_scaling {kind!r}: transformers knows {', '.join(ROPE_INIT_FUNCTIONS)}"
        )
    scaling.pop("type", None)
    return {**scaling, "rope_type": kind, "rope_theta": raw["rope_theta"]}


def vision_config(raw: Mapping[str, Any]) -> SiglipVisionConfig:
    """The tower without the layers after `mm_vision_select_layer`, which are not used.

    It is described by `vision_config` or named by `mm_vision_tower`. Raises ValueError for a
    name that is not among `TOWERS`.
    """
    name = Path(raw.get("mm_vision_tower", "")).name
    described = raw.get("vision_config") or TOWERS.get(name)
    if described is None:
        raise ValueError(
            f"unknown vision tower {raw.get('mm_vision_tower')!r}; known are {', '.join(TOWERS)}."
            " Describe another one in config.json as 'vision_config'"
        )
    kept = described["num_hidden_layers"] + 1 + raw.get("mm_vision_select_layer", -1)
    return SiglipVisionConfig(**{**described, "num_hidden_layers": kept}, vision_use_head=False)
