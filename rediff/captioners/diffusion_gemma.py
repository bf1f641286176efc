"""Captions by DiffusionGemma, with transformers' own class, sampler and `generate`."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DiffusionGemmaForBlockDiffusion, ProcessorMixin

from rediff.captioners.autoregressive import cut_at
from rediff.captioners.base import Capabilities, Caption, CaptionRequest, Decoding, Failure
from rediff.captioners.transformers_vlm import chat_inputs, decode_text, stop_ids
from rediff.decoding.canvas import check_finite
from rediff.models.processors import load_processor
from rediff.models.weights import load_whole

MODEL_TYPE = "diffusion_gemma"
STEPS = 48
MAX_TOKENS = 256


def _check_logits(module: nn.Module, inputs: object, logits: Tensor) -> None:
    check_finite(logits)


class DiffusionGemmaCaptioner:
    """Block diffusion from uniform noise; `steps` is the most denoising steps a canvas may take.

    Its sampler draws random tokens, from torch's generator seeded with `seed` before each picture,
    so that a caption depends neither on the batch nor on the pictures before it.
    """

    def __init__(
        self,
        model: DiffusionGemmaForBlockDiffusion,
        processor: ProcessorMixin,
        *,
        length: int = MAX_TOKENS,
        seed: int = 0,
    ) -> None:
        self.model: Any = model
        self.processor = processor
        self.length = length
        self.seed = seed

    @classmethod
    def load(
        cls, folder: Path, *, length: int = MAX_TOKENS, seed: int = 0, **loading: Any
    ) -> DiffusionGemmaCaptioner:
        """From a model folder, safetensors only. `loading` goes to `from_pretrained`.

        Raises as `load_whole`.
        """
        model = load_whole(DiffusionGemmaForBlockDiffusion, folder, **loading)
        model.get_output_embeddings().register_forward_hook(_check_logits)
        return cls(model, load_processor(folder), length=length, seed=seed)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            kind="block diffusion",
            length=self.length,
            sampler="entropy-bound",
            takes_steps=True,
            steps=self.model.generation_config.max_denoising_steps or STEPS,
        )

    @torch.inference_mode()
    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        """A caption for each request, one after another."""
        steps = decoding.steps or self.capabilities.steps
        return [self._caption(request, steps) for request in requests]

    def _caption(self, request: CaptionRequest, steps: int | None) -> Caption:
        started = time.perf_counter()
        inputs = chat_inputs(self.processor, [request])
        inputs = inputs.to(self.model.device, self.model.dtype)
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.seed)
            output = self.model.generate(
                **inputs,
                max_new_tokens=self.length,
                max_denoising_steps=steps,
                return_dict_in_generate=True,
            )
        written = output.sequences[0, inputs["input_ids"].size(1) :].tolist()
        config = self.model.generation_config
        cut = cut_at(written, stop_ids(config, self.processor.tokenizer))
        valid = sum(token != config.pad_token_id for token in written)
        passes = valid / float(output.tokens_per_forward[0]) if valid else math.nan
        return Caption(
            text=decode_text(self.processor, cut.response),
            tokens=len(cut.response),
            nfe=round(passes) if math.isfinite(passes) else None,
            seconds=time.perf_counter() - started,
            truncated=cut.truncated,
        )

    def close(self) -> None:
        """Holds nothing but memory."""
