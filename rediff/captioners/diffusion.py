"""Captions by a masked-diffusion checkpoint and any sampler."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image

from rediff.decoding.canvas import Canvas
from rediff.decoding.registry import decode, find_sampler
from rediff.decoding.trace import Trace
from rediff.captioners.base import Caption, Decoding, Failure, Said, Traits, requests
from rediff.models.checkpoint import Checkpoint
from rediff.models.conditioning import PrefixedDenoiser, image_features, splice


class DiffusionCaptioner:
    """Captions by a masked-diffusion checkpoint and any sampler."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @property
    def traits(self) -> Traits:
        card = self.checkpoint.card
        return Traits(
            kind="diffusion",
            length=card.canvas,
            sampler=card.sampler,
            takes_samplers=True,
            takes_steps=True,
        )

    @torch.inference_mode()
    def caption(
        self,
        images: Sequence[Image.Image],
        decoding: Decoding,
        *,
        said: Sequence[Said] | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[Caption | Failure]:
        """A caption for each image. Raises ValueError if the given answer does not fit."""
        started = time.perf_counter()
        checkpoint, length = self.checkpoint, self.checkpoint.card.canvas
        denoiser = prefixed(checkpoint, images, said, guidance=decoding.guidance)
        canvas = Canvas.blank(len(images), length, checkpoint.ids, device=checkpoint.model.device)
        if decoding.given is not None:
            answer = checkpoint.tokenizer(decoding.given, add_special_tokens=False)["input_ids"]
            for row in range(len(images)):
                canvas = canvas.given(row, answer)
        sampler = decoding.sampler or find_sampler(checkpoint.card.sampler)
        result = decode(denoiser, canvas, sampler, decoding.steps or length, trace=decoding.trace)
        seconds = (time.perf_counter() - started) / len(images)
        return [
            Caption(
                text=checkpoint.text(response),
                tokens=len(response),
                nfe=nfe,
                seconds=seconds,
                truncated=len(response) == length,
                trace=self._spelt(result.traces[row]) if decoding.trace else None,
            )
            for row, (response, nfe) in enumerate(zip(result.responses, result.nfe, strict=True))
        ]

    def _spelt(self, trace: Trace) -> Trace:
        """The trace with its words; an id that names no token reads like [123]."""
        spell = self.checkpoint.tokenizer.convert_ids_to_tokens
        words = [
            [word or f"[{i}]" for i, word in zip(row, spell(row), strict=True)]
            for row in trace.tokens.tolist()
        ]
        return replace(trace, words=words)

    def close(self) -> None:
        """Nothing is held but memory."""


def prefixed(
    checkpoint: Checkpoint,
    images: Sequence[Image.Image],
    said: Sequence[Said] | None = None,
    *,
    guidance: float = 0.0,
) -> PrefixedDenoiser:
    """The checkpoint's denoiser behind the images and what was said about each."""
    features = image_features(checkpoint.model, checkpoint.pictures(list(images)))
    prefix = splice(checkpoint.model, prompts(checkpoint, said, len(images)), features)
    return PrefixedDenoiser(checkpoint.model, prefix, mask=checkpoint.ids.mask, guidance=guidance)


def prompts(checkpoint: Checkpoint, said: Sequence[Said] | None, count: int) -> list[list[int]]:
    """The token ids before the answers about `count` images."""
    return [checkpoint.prompt_ids(own) for own in requests(said, count, checkpoint.card.prompt)]
