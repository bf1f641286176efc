"""The keys that the `config.json` of LLaDA-V and of LaViDa share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import LlavaOnevisionConfig, PreTrainedConfig, SiglipVisionConfig

from rediff.models.anyres import grid_pinpoints

PICTURES: Mapping[str, Any] = {
    "mm_projector_type": "mlp2x_gelu",
    "mm_patch_merge_type": "spatial_unpad",
    "mm_newline_position": "grid",
    "mm_vision_select_feature": "patch",
    "mm_use_im_start_end": False,
    "mm_resampler_type": None,
}
"""Keys that would change pictures or prompt, with the values of both."""


def check_known(raw: Mapping[str, Any], only: Mapping[str, Any], model: str) -> None:
    """Checks that nothing would change pictures, prompt or network in a way that is not known.

    Args:
        raw: an official `config.json`.
        only: keys beside `PICTURES`, with the one value that is known; a missing key is known.
        model: its name, for the message.

    Raises:
        ValueError: naming the key with another value, or for missing pinpoints.
    """
    for key, known in {**PICTURES, **only}.items():
        if raw.get(key) not in (None, known):
            raise ValueError(f"{key} {raw[key]!r}: only {known!r} is known of {model}")
    if raw.get("image_grid_pinpoints") is None:
        raise ValueError("the config has no image_grid_pinpoints, so tiles cannot be cut")


def whole_config(
    raw: Mapping[str, Any], text: PreTrainedConfig, vision: SiglipVisionConfig
) -> LlavaOnevisionConfig:
    """The configuration of a whole model.

    Args:
        raw: the official `config.json`, which names the grids of tiles.
        text: the text model.
        vision: the tower, without the layers that are not used.

    Raises:
        ValueError: for grids that are not made of tiles.
    """
    side: Any = vision.image_size
    return LlavaOnevisionConfig(
        vision_config=vision.to_dict(),
        text_config=text.to_dict(),
        image_token_index=raw["vocab_size"] - 1,
        image_grid_pinpoints=grid_pinpoints(raw["image_grid_pinpoints"], side),
        vision_aspect_ratio=raw["image_aspect_ratio"],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )
