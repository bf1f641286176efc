"""LLaDA-V and ReDiff as their authors publish them, read into transformers' own classes.

LLaDA-V is a SigLIP tower, a two-layer projector and a Llama without the causal mask, which is
`LlavaOnevisionForConditionalGeneration` under other names. Nothing of the authors' code is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    PreTrainedTokenizerFast,
    SiglipVisionModel,
)

from rediff.io.hub import fetch
from rediff.io.text_files import parse_json, read_text
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
from rediff.models.llada_v_config import read_config, tower_folder
from rediff.models.weights import check_report, load_whole, tensor_names

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
        "config": config,
        "key_mapping": NAMES,
        "dtype": dtype,
        "device_map": device_map,
    }
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
