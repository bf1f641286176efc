"""Captions by any of transformers' image-text-to-text models, e.g. LLaVA, Qwen2.5-VL, InternVL."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from transformers import (
    AutoModelForImageTextToText,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    ProcessorMixin,
)

from rediff.captioners.autoregressive import GREEDY, FiniteLogits, cut_at
from rediff.captioners.base import Capabilities, Caption, CaptionRequest, Decoding, Failure
from rediff.data.dialogue import chat_messages
from rediff.models.processors import load_processor
from rediff.models.weights import load_whole

MAX_TOKENS = 512


class TransformersCaptioner:
    """Greedy captions in the model's own chat format, at most `length` tokens."""

    def __init__(
        self, model: PreTrainedModel, processor: ProcessorMixin, *, length: int = MAX_TOKENS
    ) -> None:
        self.model: Any = model
        self.processor = processor
        self.length = length

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        length: int = MAX_TOKENS,
        trust_remote_code: bool = False,
        **loading: Any,
    ) -> TransformersCaptioner:
        """From a model folder, safetensors only. `loading` goes to `from_pretrained`.

        Raises as `load_whole`.
        """
        kind = cast("type[PreTrainedModel]", AutoModelForImageTextToText)
        model = load_whole(kind, folder, trust_remote_code=trust_remote_code, **loading)
        processor = load_processor(folder, trust_remote_code=trust_remote_code)
        return cls(model, processor, length=length)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(kind="autoregressive", length=self.length, sampler=GREEDY)

    @torch.inference_mode()
    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        """A caption for each request. Raises ValueError if the model has no chat template."""
        started = time.perf_counter()
        inputs = chat_inputs(self.processor, requests)
        inputs = inputs.to(self.model.device, self.model.dtype)
        output = self.model.generate(
            **inputs,
            max_new_tokens=self.length,
            do_sample=False,
            num_beams=1,
            logits_processor=LogitsProcessorList([FiniteLogits()]),
        )
        stops = stop_ids(self.model.generation_config, self.processor.tokenizer)
        seconds = (time.perf_counter() - started) / len(requests)
        rows = output[:, inputs["input_ids"].size(1) :].tolist()
        return [self._caption(row, stops, seconds) for row in rows]

    def _caption(self, tokens: list[int], stops: set[int], seconds: float) -> Caption:
        written = cut_at(tokens, stops)
        return Caption(
            text=decode_text(self.processor, written.response),
            tokens=len(written.response),
            nfe=written.passes,
            seconds=seconds,
            truncated=written.truncated,
        )

    def close(self) -> None:
        """Holds nothing but memory."""


def chat_inputs(processor: ProcessorMixin, requests: Sequence[CaptionRequest]) -> Any:
    """The dialogue of each request in the model's chat format, padded on the left.

    By transformers' own path from messages to ids, which knows where a template begins the text.
    Raises ValueError if the model has no template.
    """
    if processor.chat_template is None:
        raise ValueError("the model folder has no chat template")
    processor.tokenizer.padding_side = "left"
    return processor.apply_chat_template(
        [
            chat_messages(request.asked(), {"type": "image", "image": request.image.convert("RGB")})
            for request in requests
        ],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        padding=True,
    )


def stop_ids(config: GenerationConfig, tokenizer: Any) -> set[int]:
    """Every id that ends a response, by the generation config and by the tokenizer."""
    own = config.eos_token_id
    named = own if isinstance(own, list) else [own]
    return {i for i in (*named, tokenizer.eos_token_id) if i is not None}


def decode_text(processor: ProcessorMixin, response: list[int]) -> str:
    return str(processor.tokenizer.decode(response, skip_special_tokens=True)).strip()
