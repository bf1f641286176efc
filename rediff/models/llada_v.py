"""LLaDA-V and ReDiff as their authors publish them, read into transformers' own classes.

LLaDA-V is a SigLIP tower, a two-layer projector and a Llama without the causal mask, which is
`LlavaOnevisionForConditionalGeneration` under other names. Nothing of the authors' code is run.
"""

from __future__ import annotations

import json
import re
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
    SiglipVisionModel,
)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from rediff.io.hub import fetch
from rediff.io.text_files import parse_json, read_text
from rediff.models.anyres import ANYRES, grid_pinpoints
from rediff.models.chat_format import (
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
from rediff.models.weights import check_report, load_whole, tensor_names

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


ONLY: Mapping[str, Any] = {
    "mm_projector_type": "mlp2x_gelu", "mm_patch_merge_type": "spatial_unpad",
    "mm_newline_position": "grid", "mm_vision_select_feature": "patch",
    "mm_use_im_start_end": False, "mm_resampler_type": None, "tie_word_embeddings": False,
}  # fmt: skip
"""Keys of a config that would change the network or its prompt, with what is known of LLaDA-V."""


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


def load_model(
    folder: Path, *, dtype: torch.dtype | str, device_map: str | dict[str, Any] | None
) -> LlavaOnevisionForConditionalGeneration:
    """The model of an official folder, safetensors only, whole or in shards.

    The authors' fine-tuning saves no vision tower: then it is read from where `mm_vision_tower`
    says, a folder or a hub id.

    Args:
        folder: the checkpoint.
        dtype: of the weights, or "auto" for theirs.
        device_map: accelerate's map, to spread the model over several devices.

    Raises:
        ValueError: that lists every tensor that is missing, left over or of another shape.
        FileNotFoundError: if the vision tower is not there.
    """
    config = read_config(folder)
    options: dict[str, Any] = {
        "config": config, "key_mapping": NAMES, "dtype": dtype, "device_map": device_map,
    }  # fmt: skip
    if _has_tower(folder):
        return load_whole(LlavaOnevisionForConditionalGeneration, folder, **options)
    raw = parse_json(read_text(folder / "config.json"), str(folder))
    place = tower_folder(raw, folder) or fetch(str(raw.get("mm_vision_tower")))
    tower = load_tower(place, config.vision_config, dtype=dtype)
    return load_whole(
        LlavaOnevisionForConditionalGeneration, folder, without=(TOWER,), fill=tower, **options
    )


TOWER = "model.vision_tower."
"""How the names of a tower's tensors begin, in transformers' naming."""


def _has_tower(folder: Path) -> bool:
    names = [name for path in folder.glob("*.safetensors") for name in tensor_names(path)]
    return not names or any(".vision_tower." in name for name in names)


def load_tower(place: Path, config: Any, *, dtype: torch.dtype | str) -> dict[str, torch.Tensor]:
    """The weights of a SigLIP folder's vision tower by their names in the whole model, safetensors
    only. Raises ValueError that lists what is missing; layers that are not used are left out."""
    loaded: Any = SiglipVisionModel.from_pretrained(
        place, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True
    )
    tower, report = loaded
    check_report(place, {"missing_keys": report["missing_keys"]})
    return {f"{TOWER}{name}": tensor for name, tensor in tower.state_dict().items()}


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
