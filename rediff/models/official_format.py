"""A published form of checkpoints: how its files become transformers' classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    PreTrainedTokenizerFast,
)

from rediff.io.text_files import parse_json, read_text
from rediff.models.config import CaptionerConfig
from rediff.models.vision_tower import TOWER, has_tower, load_tower, tower_folder
from rediff.models.weights import load_whole

NEWLINE = "image_newline"

PARTS: Mapping[str, str] = {
    r"^model\.vision_tower\.vision_tower\.vision_model\.": TOWER,
    r"^model\.mm_projector\.0\.": "model.multi_modal_projector.linear_1.",
    r"^model\.mm_projector\.2\.": "model.multi_modal_projector.linear_2.",
    r"^model\.(embed_tokens|layers|norm)\.": r"model.language_model.\1.",
}
"""Official tensor names to transformers' names, where the text model has Llama's own names;
`model.image_newline` and `lm_head` are alike."""


@dataclass(frozen=True, slots=True)
class OfficialFormat:
    """A form in which authors publish checkpoints. Nothing of their code is run.

    `name`: for people. `names`: official tensor names to transformers' names. `make_config`:
    transformers' configuration for a `config.json`. `load_tokenizer`: of a folder, told to its
    model. `card`: how such checkpoints are prompted and decoded. `bfloat16_newline`: the authors
    hold the newline embedding in that precision, whatever that of the others.
    """

    name: str
    names: Mapping[str, str]
    make_config: Callable[[Mapping[str, Any]], LlavaOnevisionConfig]
    load_tokenizer: Callable[
        [Path, LlavaOnevisionForConditionalGeneration], PreTrainedTokenizerFast
    ]
    card: CaptionerConfig
    bfloat16_newline: bool = False

    def read_config(self, folder: Path) -> LlavaOnevisionConfig:
        """transformers' configuration of a folder; a vision tower that is a folder describes
        itself. Raises ValueError naming the file."""
        path = folder / "config.json"
        raw = read_raw(folder)
        tower = tower_folder(raw, folder)
        if tower is not None and not raw.get("vision_config"):
            own = read_raw(tower)
            raw = {**raw, "vision_config": own.get("vision_config", own)}
        try:
            return self.make_config(raw)
        except KeyError as error:
            raise ValueError(f"{path} has no {error.args[0]!r}") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def load_model(
        self,
        folder: Path,
        *,
        dtype: torch.dtype | str,
        device_map: str | dict[str, Any] | None,
    ) -> LlavaOnevisionForConditionalGeneration:
        """The model of a folder, safetensors only, whole or in shards.

        Where the authors' fine-tuning saved no vision tower, it is read from where
        `mm_vision_tower` says, a folder or a hub id.

        Args:
            folder: the checkpoint.
            dtype: of the weights, or "auto" for theirs.
            device_map: accelerate's map, to spread the model over several devices.

        Raises:
            ValueError: that lists every tensor that is missing, left over or of another shape.
            FileNotFoundError: if the vision tower is not there.
        """
        config = self.read_config(folder)
        options: dict[str, Any] = {
            "config": config,
            "key_mapping": dict(self.names),
            "dtype": dtype,
            "device_map": device_map,
        }
        if not has_tower(folder):
            tower = load_tower(read_raw(folder), folder, config.vision_config, dtype=dtype)
            options |= {"without": (TOWER,), "fill": tower}
        model = load_whole(LlavaOnevisionForConditionalGeneration, folder, **options)
        if self.bfloat16_newline:
            newline: torch.Tensor = getattr(model.model, NEWLINE).data
            newline.copy_(newline.bfloat16())
        return model


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


def give_roles(
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    model: LlavaOnevisionForConditionalGeneration,
    *,
    roles: Mapping[str, str],
    others: tuple[str, ...],
    image: str,
) -> None:
    """Tells a tokenizer the roles of its tokens, and the model the id of its image token, which is
    added where there is none.

    Args:
        tokenizer: of the folder.
        folder: for messages.
        model: of the folder.
        roles: the token of each role, by transformers' names.
        others: further special tokens.
        image: the image token.

    Raises:
        ValueError: if a token is missing, or the embeddings have no row for the image token.
    """
    missing = sorted({*roles.values(), *others} - tokenizer.get_vocab().keys())
    if missing:
        raise ValueError(f"{folder}: the tokenizer has no {', '.join(missing)}")
    tokenizer.add_special_tokens({**roles, "additional_special_tokens": [*others, image]})
    place = tokenizer.get_vocab()[image]
    text: Any = model.config.text_config
    if place >= text.vocab_size:
        raise ValueError(
            f"{folder}: no room for {image} at id {place} in {text.vocab_size} embeddings"
        )
    model.config.image_token_index = place


def read_raw(folder: Path) -> dict[str, Any]:
    """A folder's `config.json` as it is. Raises ValueError naming the file."""
    path = folder / "config.json"
    raw: dict[str, Any] = parse_json(read_text(path), str(path))
    return raw
