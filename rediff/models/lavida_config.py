"""The `config.json` of LaViDa (arXiv 2505.16839), read as transformers' configuration.

LaViDa has two text models: LLaDA, which is a Llama under LLaDA's own names, and Dream, a Qwen2.
Both see image and prompt without the response (prefix attention); Dream predicts each position
from the one before it. Unknown values that would change the network are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import LlamaConfig, LlavaOnevisionConfig, PreTrainedConfig, Qwen2Config

from rediff.models.anyres import ANYRES, POOLS, set_pool
from rediff.models.causal import set_causal
from rediff.models.official_config import check_known, whole_config
from rediff.models.prefix_attention import set_prefix_attention
from rediff.models.shifted_logits import set_shifted_logits
from rediff.models.vision_tower import tower_config

DREAM_TYPE = "llava_dream"

ONLY_LLADA: Mapping[str, Any] = {
    "mm_spatial_pool_stride": 2,
    "activation_type": "silu",
    "alibi": False,
    "attention_layer_norm": False,
    "bias_for_layer_norm": False,
    "block_group_size": 1,
    "block_type": "llama",
    "clip_qkv": None,
    "include_bias": False,
    "include_qkv_bias": False,
    "input_emb_norm": False,
    "layer_norm_type": "rms",
    "layer_norm_with_affine": True,
    "multi_query_attention": None,
    "rope": True,
    "scale_logits": False,
    "weight_tying": False,
}
"""Keys that would change LLaDA's network, with their known values."""

ONLY_DREAM: Mapping[str, Any] = {
    "mm_spatial_pool_stride": 2,
    "hidden_act": "silu",
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
}
"""Keys that would change Dream's network, with their known values."""


def lavida_config(raw: Mapping[str, Any]) -> LlavaOnevisionConfig:
    """transformers' configuration for LaViDa's `config.json` with LLaDA's text model.

    Raises ValueError for what is not known of LaViDa, KeyError for a missing size.
    """
    _check(raw, ONLY_LLADA)
    heads = raw["n_heads"]
    text = LlamaConfig(
        vocab_size=raw.get("embedding_size") or raw["vocab_size"],
        hidden_size=raw["d_model"],
        intermediate_size=raw["mlp_hidden_size"],
        num_hidden_layers=raw["n_layers"],
        num_attention_heads=heads,
        num_key_value_heads=raw.get("n_kv_heads") or heads,
        max_position_embeddings=raw["max_sequence_length"],
        rms_norm_eps=raw["rms_norm_eps"],
        rope_parameters={"rope_type": "default", "rope_theta": raw["rope_theta"]},
        eos_token_id=raw.get("eos_token_id"),
        pad_token_id=None,
    )
    return _whole(raw, text)


def dream_config(raw: Mapping[str, Any]) -> LlavaOnevisionConfig:
    """transformers' configuration for LaViDa's `config.json` with Dream's text model.

    Raises ValueError for what is not known of LaViDa, KeyError for a missing size.
    """
    _check(raw, ONLY_DREAM)
    text = Qwen2Config(
        vocab_size=raw["vocab_size"],
        hidden_size=raw["hidden_size"],
        intermediate_size=raw["intermediate_size"],
        num_hidden_layers=raw["num_hidden_layers"],
        num_attention_heads=raw["num_attention_heads"],
        num_key_value_heads=raw["num_key_value_heads"],
        max_position_embeddings=raw["max_position_embeddings"],
        rms_norm_eps=raw["rms_norm_eps"],
        rope_parameters={"rope_type": "default", "rope_theta": raw["rope_theta"]},
        use_sliding_window=False,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    set_shifted_logits(text)
    return _whole(raw, text)


def _whole(raw: Mapping[str, Any], text: PreTrainedConfig) -> LlavaOnevisionConfig:
    """The whole model around a text model. The tower's last layer is never used."""
    set_causal(text, causal=False)
    set_prefix_attention(text)
    config = whole_config(raw, text, tower_config(raw, last=-2))
    set_pool(config, raw["mm_spatial_pool_mode"])
    return config


def _check(raw: Mapping[str, Any], only: Mapping[str, Any]) -> None:
    """Raises ValueError for whatever would change network, pictures or prompt and is not known."""
    check_known(raw, only, "LaViDa")
    if (ratio := raw.get("image_aspect_ratio")) != ANYRES:
        raise ValueError(f"image_aspect_ratio {ratio!r}: only {ANYRES!r} is known of LaViDa")
    if (mode := raw.get("mm_spatial_pool_mode")) not in POOLS:
        raise ValueError(
            f"mm_spatial_pool_mode {mode!r}: known are {', '.join(POOLS)}; checkpoints without"
            " pooling (LaViDa's low resolution) are not known"
        )
