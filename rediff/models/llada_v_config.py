"""The `config.json` of LLaDA-V and ReDiff, read as transformers' configuration.

Unknown values that would change the network are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from transformers import LlamaConfig, LlavaOnevisionConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from rediff.models.anyres import ANYRES
from rediff.models.causal import set_causal
from rediff.models.official_config import check_known, whole_config
from rediff.models.vision_tower import tower_config

MODEL_TYPE = "llava_llada"


ONLY: Mapping[str, Any] = {"tie_word_embeddings": False}
"""Keys that would change the network, with LLaDA-V's values."""


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
"""The shape of the published 8B checkpoint, from its `config.json`."""


def model_config(raw: Mapping[str, Any]) -> LlavaOnevisionConfig:
    """transformers' configuration for an official `config.json`.

    Raises ValueError for an unknown vision tower, picture format or projector, and for whatever
    else would change the network and is not known of LLaDA-V.
    """
    check_known(raw, ONLY, "LLaDA-V")
    ratio = raw.get("image_aspect_ratio")
    if not re.fullmatch(rf"{ANYRES}(_max_\d+)?", str(ratio)):
        raise ValueError(
            f"image_aspect_ratio {ratio!r}: only 'anyres' and 'anyres_max_N' are known of LLaDA-V"
        )
    vision = tower_config(raw, last=raw.get("mm_vision_select_layer", -1))
    return whole_config(raw, _text_config(raw), vision)


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
    set_causal(text, causal=False)
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
