"""LLaDA-V and ReDiff as their authors publish them, read into transformers' own classes.

LLaDA-V is a SigLIP tower, a two-layer projector and a Llama without the causal mask, which is
`LlavaOnevisionForConditionalGeneration` under other names. Nothing of the authors' code is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
)

from rediff.models.tiles import grid_pinpoints
from rediff.models.tokenizer import (
    CHAT_TEMPLATE,
    END_HEADER,
    END_OF_TEXT,
    END_OF_TURN,
    IMAGE,
    MASK,
    SPECIAL_TOKENS,
    START_HEADER,
    START_OF_TEXT,
    UNKNOWN,
)
from rediff.models.weights import load_whole

MODEL_TYPE = "llava_llada"
SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual "
    "content that the user provides, and assist the user with a variety of tasks using natural "
    "language."
)
"""The system message that the models were trained with: part of their prompt format."""
CANVAS = 128

NAMES = {
    r"^model\.vision_tower\.vision_tower\.vision_model\.": "model.vision_tower.",
    r"^model\.mm_projector\.0\.": "model.multi_modal_projector.linear_1.",
    r"^model\.mm_projector\.2\.": "model.multi_modal_projector.linear_2.",
    r"^model\.(embed_tokens|layers|norm)\.": r"model.language_model.\1.",
}
"""Official tensor names to transformers' names; `model.image_newline` and `lm_head` are alike."""

TOWERS: Mapping[str, Mapping[str, int]] = {
    "siglip2-so400m-patch14-384": {
        "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
        "num_attention_heads": 16, "image_size": 384, "patch_size": 14,
    },
}  # fmt: skip
"""Vision towers that a checkpoint may name instead of describing."""


PUBLISHED: Mapping[str, Any] = {
    "model_type": MODEL_TYPE, "vocab_size": 126464, "hidden_size": 4096,
    "intermediate_size": 12288, "num_hidden_layers": 32, "num_attention_heads": 32,
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0,
    "mm_vision_tower": "google/siglip2-so400m-patch14-384", "mm_vision_select_layer": -2,
    "image_aspect_ratio": "anyres_max_4", "image_grid_pinpoints": "(1x1),...,(6x6)",
}  # fmt: skip
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

    Raises ValueError for an unknown vision tower, picture format or projector.
    """
    for key, known in {
        "mm_projector_type": "mlp2x_gelu",
        "mm_patch_merge_type": "spatial_unpad",
        "mm_newline_position": "grid",
    }.items():
        if raw.get(key, known) != known:
            raise ValueError(f"{key} {raw[key]!r}: only {known!r} is known of LLaDA-V")
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
    """The same of an official folder."""
    return model_config(json.loads((folder / "config.json").read_text()))


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
        rope_parameters={"rope_type": "default", "rope_theta": raw["rope_theta"]},
        bos_token_id=raw.get("bos_token_id"),
        eos_token_id=raw.get("eos_token_id"),
        pad_token_id=None,
    )
    text.is_causal = False
    return text


def vision_config(raw: Mapping[str, Any]) -> SiglipVisionConfig:
    """The tower without the layers behind `mm_vision_select_layer`, which are not used.

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


def load_model(
    folder: Path, *, dtype: torch.dtype | str, device_map: str | dict[str, Any] | None
) -> LlavaOnevisionForConditionalGeneration:
    """The model of an official folder, safetensors only, whole or in shards.

    Raises ValueError that lists every tensor that is missing, left over or of another shape.
    """
    return load_whole(
        LlavaOnevisionForConditionalGeneration,
        folder,
        config=read_config(folder),
        key_mapping=NAMES,
        dtype=dtype,
        device_map=device_map,
    )


def load_tokenizer(
    folder: Path, model: LlavaOnevisionForConditionalGeneration
) -> PreTrainedTokenizerFast:
    """The tokenizer of an official folder, with the roles that its tokens play here.

    An image token is added where there is none, and `model` told its id. Raises ValueError if a
    token of the chat format is missing or the embeddings have no row for the image token.
    """
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    missing = sorted({*SPECIAL_TOKENS} - {IMAGE, UNKNOWN} - tokenizer.get_vocab().keys())
    if missing:
        raise ValueError(f"{folder}: the tokenizer has no {', '.join(missing)}")
    tokenizer.add_special_tokens(
        {
            "bos_token": START_OF_TEXT,
            "eos_token": END_OF_TURN,
            "pad_token": END_OF_TEXT,
            "mask_token": MASK,
            "additional_special_tokens": [START_HEADER, END_HEADER, IMAGE],
        }
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    text: Any = model.config.text_config
    rows = text.vocab_size
    if image >= rows:
        raise ValueError(f"{folder}: no room for {IMAGE} at id {image} in {rows} embeddings")
    model.config.image_token_index = image
    return tokenizer


def image_processor(config: LlavaOnevisionConfig) -> LlavaOnevisionImageProcessorPil:
    """Bicubic tiles of the tower's size, values from -1 to 1."""
    vision: Any = config.vision_config
    side = vision.image_size
    return LlavaOnevisionImageProcessorPil(
        size={"height": side, "width": side},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        image_grid_pinpoints=config.image_grid_pinpoints or [],
    )
