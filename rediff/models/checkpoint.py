"""A checkpoint folder: a transformers model and the files that captioning needs beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from rediff.data.dialogue import Dialogue
from rediff.decoding.canvas import SpecialIds
from rediff.models.anyres import ImageBatch, ImageProcessor, prepare_images
from rediff.models.chat_format import (
    END_HEADER,
    END_OF_TEXT,
    IMAGE,
    START_HEADER,
    START_OF_TEXT,
    chat_text,
    encode_around_image,
    encode_whole,
)
from rediff.models.config import (
    CONFIG_FILE,
    CaptionerConfig,
    Dtype,
    check_adapter,
)
from rediff.models.official import find_official, read_card
from rediff.models.official_format import image_processor
from rediff.models.weights import load_whole

DTYPES: Mapping[str, torch.dtype | str] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "stored": "auto",
}
"""`stored`: as the weights are on disk."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model and its companions. `save` and `load` are inverse of each other.

    Without slots, since answers of the tokenizer are kept: listing a large
    vocabulary takes a tenth of a second.
    """

    model: LlavaOnevisionForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast
    images: ImageProcessor
    config: CaptionerConfig

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: torch.device | str = "cpu",
        dtype: Dtype | None = None,
        device_map: str | None = None,
    ) -> Checkpoint:
        """Loads a folder made by `save` or published by the authors of LLaDA-V, ReDiff or LaViDa.

        Only safetensors are read; the model is in evaluation mode.

        Args:
            folder: the checkpoint.
            device: of the weights.
            dtype: by default that of the model's config on a GPU, and float32 on a CPU.
            device_map: accelerate's map, to spread the model over several devices.

        Raises:
            FileNotFoundError: if the checkpoint does not exist.
            ValueError: if its weights do not fit.
        """
        check_adapter(folder)
        official = find_official(folder)
        card = read_card(folder, official)
        on_cpu = device_map is None and torch.device(device).type == "cpu"
        chosen = DTYPES[dtype or ("float32" if on_cpu else card.dtype)]
        placement = device_map or {"": str(device)}
        if official is not None:
            model = official.load_model(folder, dtype=chosen, device_map=placement)
            tokenizer = official.load_tokenizer(folder, model)
            return cls(model, tokenizer, image_processor(model.config), card)
        model = load_whole(
            LlavaOnevisionForConditionalGeneration, folder, dtype=chosen, device_map=placement
        )
        return cls(
            model,
            PreTrainedTokenizerFast.from_pretrained(folder),
            AutoImageProcessor.from_pretrained(folder, backend="pil"),
            card,
        )

    def save(
        self,
        folder: Path,
        *,
        dtype: torch.dtype | None = None,
        weights: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        """Writes everything to a folder.

        Args:
            folder: where.
            dtype: of the weights; None for theirs.
            weights: the weights, if not all of them are in this process.
        """
        folder.mkdir(parents=True, exist_ok=True)
        weights = self.model.state_dict() if weights is None else weights
        kept = {name: tensor.to(dtype or tensor.dtype) for name, tensor in weights.items()}
        self.model.save_pretrained(folder, state_dict=kept, save_original_format=False)
        self.tokenizer.save_pretrained(folder)
        self.images.save_pretrained(folder)
        text = self.config.model_dump_json(indent=2, exclude_defaults=True)
        (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
        for path in folder.glob("*.safetensors"):  # which the library lets only their owner read
            shutil.copymode(folder / CONFIG_FILE, path)

    def with_config(self, **changes: Any) -> Checkpoint:
        return replace(self, config=self.config.model_copy(update=changes))

    @cached_property
    def ids(self) -> SpecialIds:
        """The token ids that decoding treats specially.

        Banned is every special token but the stop, and every id that names no token.
        """
        tokenizer, text = self.tokenizer, cast("Any", self.model.config.text_config)
        eos, vocabulary = tokenizer.eos_token_id, tokenizer.get_vocab()
        special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
        nameless = range(len(tokenizer), text.vocab_size)
        frame = (END_OF_TEXT, START_OF_TEXT, START_HEADER, END_HEADER)
        return SpecialIds(
            mask=tokenizer.mask_token_id,
            eos=eos,
            banned=(*sorted(special - {eos}), *nameless),
            official_banned=tuple(vocabulary[token] for token in frame if token in vocabulary),
            unnamed=(vocabulary[IMAGE], *nameless),
        )

    @cached_property
    def word_ids(self) -> tuple[int, ...]:
        """Every token id that is not a special token."""
        special = {self.ids.eos, *self.ids.banned}
        return tuple(i for i in range(len(self.tokenizer)) if i not in special)

    def prompt_ids(self, dialogue: Dialogue | None = None) -> list[int]:
        """Token ids of a dialogue up to its next answer, one image token for the picture.

        `dialogue`: None for the model's own request for a caption.
        """
        dialogue = dialogue or (self.config.prompt,)
        text = chat_text(self.tokenizer, dialogue, self.config.system)
        encode = encode_around_image if self.config.around_image else encode_whole
        return encode(self.tokenizer, text)

    def text(self, response: list[int]) -> str:
        """A response's token ids as text, special tokens left out."""
        return str(self.tokenizer.decode(response, skip_special_tokens=True))

    def spell(self, ids: list[int]) -> list[str]:
        """Token ids as tokens of text; an id that names none reads like [123]."""
        words = self.tokenizer.convert_ids_to_tokens(ids)
        return [word or f"[{i}]" for i, word in zip(ids, words, strict=True)]

    def image_batch(self, images: list[Image.Image]) -> ImageBatch:
        """The pictures as the vision tower takes them."""
        return prepare_images(images, self.images)
