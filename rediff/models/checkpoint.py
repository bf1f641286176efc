"""A checkpoint folder: a transformers model with what captioning needs beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from transformers import (
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
)

from rediff.decoding.canvas import SpecialIds
from rediff.models.tokenizer import IMAGE

CARD = "captioner.json"
CAPTION_PROMPT = "Please describe the image in detail."


class Card(BaseModel):
    """What a checkpoint is and how it decodes unless told otherwise; stored as `captioner.json`.

    `canvas`: response length in tokens. `image_tokens`: tokens a picture takes in the prompt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["diffusion", "autoregressive"]
    canvas: int
    image_tokens: int
    sampler: str = "mask-predict"
    prompt: str = CAPTION_PROMPT


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model and its companions. `save` and `load` are inverse of each other."""

    model: LlavaOnevisionForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast
    images: SiglipImageProcessorPil
    card: Card

    @classmethod
    def load(cls, folder: Path, *, device: torch.device | str = "cpu") -> Checkpoint:
        """Loads a folder made by `save`, in float32 and evaluation mode; safetensors only.

        Raises FileNotFoundError, with a sentence for users, where there is no such folder or card.
        """
        card = folder / CARD
        if not card.is_file():
            raise FileNotFoundError(f"{folder} is no checkpoint folder: it has no {CARD}")
        model = LlavaOnevisionForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True
        )
        return cls(
            model.eval().to(device),
            PreTrainedTokenizerFast.from_pretrained(folder),
            SiglipImageProcessorPil.from_pretrained(folder),
            Card.model_validate_json(card.read_text()),
        )

    def save(self, folder: Path, *, dtype: torch.dtype | None = None) -> None:
        """Writes everything to `folder`, the weights in `dtype` if given."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = self.model.state_dict()
        kept = {name: tensor.to(dtype or tensor.dtype) for name, tensor in weights.items()}
        self.model.save_pretrained(folder, state_dict=kept)
        self.tokenizer.save_pretrained(folder)
        self.images.save_pretrained(folder)
        (folder / CARD).write_text(self.card.model_dump_json(indent=2) + "\n")

    def with_card(self, **changes: object) -> Checkpoint:
        return replace(self, card=self.card.model_copy(update=changes))

    @property
    def ids(self) -> SpecialIds:
        """The token ids that decoding treats apart; every special token but the stop is banned."""
        stop = self.tokenizer.eos_token_id
        return SpecialIds(
            mask=self.tokenizer.mask_token_id,
            stop=stop,
            banned=tuple(sorted(set(self.tokenizer.all_special_ids) - {stop})),
        )

    @property
    def word_ids(self) -> list[int]:
        """Every token id that is no special token."""
        special = set(self.tokenizer.all_special_ids)
        return [i for i in range(len(self.tokenizer)) if i not in special]

    def prompt_ids(self, prompt: str | None = None) -> list[int]:
        """Token ids of the chat turn that asks for a caption, with room for one picture."""
        picture = IMAGE * self.card.image_tokens
        message = {"role": "user", "content": f"{picture}\n{prompt or self.card.prompt}"}
        text = self.tokenizer.apply_chat_template(
            [message], add_generation_prompt=True, tokenize=False
        )
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def text(self, response: list[int]) -> str:
        """A response's token ids as text, special tokens left out."""
        return str(self.tokenizer.decode(response, skip_special_tokens=True))

    def pixels(self, images: list[Image.Image]) -> Tensor:
        """Pictures as the tower takes them, float32 [B, 3, S, S]."""
        rgb = [image.convert("RGB") for image in images]
        return self.images(rgb, return_tensors="pt")["pixel_values"]
