"""Captioners: all that an evaluation knows of a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from rediff.decoding.canvas import Canvas
from rediff.decoding.samplers import Sampler, decode
from rediff.decoding.trace import Trace
from rediff.models.checkpoint import Card, Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How to decode: the sampler and its step budget; an autoregressive model ignores both.

    `trace`: record every denoising step. `given`: an answer written first, for the model to go on
    from or to revise. `guidance`: scale of classifier-free guidance, 0 for none (see
    `PrefixedDenoiser`).
    """

    sampler: Sampler
    steps: int
    trace: bool = False
    given: str | None = None
    guidance: float = 0.0


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption. `tokens`: written tokens, the stop left out. `nfe`: forward passes.

    `seconds`: wall time of the batch divided by its rows. `truncated`: no stop was written.
    """

    text: str
    tokens: int
    nfe: int
    seconds: float
    truncated: bool
    trace: Trace | None = None


class Captioner(Protocol):
    """Describes pictures."""

    @property
    def card(self) -> Card: ...

    def caption(
        self, images: Sequence[Image.Image], decoding: Decoding, *, prompt: str | None = None
    ) -> list[Caption]:
        """A caption for each image, in order."""
        ...


class PrefixedDenoiser:
    """A bidirectional model behind image and prompt, as a `Denoiser`.

    Image and prompt are embedded once; each call runs the language model over prefix and canvas,
    and its head on the canvas alone. With `guidance` g the logits are u + (g + 1)(c - u), u from
    a prompt that is all masks (classifier-free guidance as in LLaDA), at two passes a call.
    """

    def __init__(
        self, checkpoint: Checkpoint, images: Tensor, prompt: list[int], *, guidance: float = 0.0
    ) -> None:
        self.model = checkpoint.model
        self.guidance = guidance
        self.passes = 2 if guidance else 1
        self.prefix = _embed_prefix(checkpoint, images, prompt)
        mask = torch.tensor(checkpoint.ids.mask, device=self.prefix.device)
        self.blank = self._embed(mask).expand(1, self.prefix.size(1), -1)

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        conditional = self._logits(self.prefix[rows], tokens)
        if not self.guidance:
            return conditional
        free = self._logits(self.blank.expand(len(rows), -1, -1), tokens)
        return free + (self.guidance + 1) * (conditional - free)

    def _embed(self, tokens: Tensor) -> Tensor:
        return self.model.get_input_embeddings()(tokens)

    def _logits(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        embeddings = torch.cat([prefix, self._embed(tokens)], dim=1)
        return self.model(inputs_embeds=embeddings, logits_to_keep=tokens.size(1)).logits


def _embed_prefix(checkpoint: Checkpoint, images: Tensor, prompt: list[int]) -> Tensor:
    """Embeddings [B, P, D] of the prompt, the picture's vectors in its placeholders."""
    model = checkpoint.model
    ids = torch.tensor(prompt, device=model.device).expand(len(images), -1)
    sizes = torch.tensor([images.shape[-2:]] * len(images), device=model.device)
    embeddings = model.get_input_embeddings()(ids)
    features = model.get_image_features(images.to(model.device), image_sizes=sizes).pooler_output
    places = (ids == model.config.image_token_id)[..., None].expand_as(embeddings)
    return embeddings.masked_scatter(places, torch.cat(tuple(features)).to(embeddings.dtype))


class DiffusionCaptioner:
    """Captions by a masked-diffusion checkpoint and any sampler."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @property
    def card(self) -> Card:
        return self.checkpoint.card

    @torch.inference_mode()
    def caption(
        self, images: Sequence[Image.Image], decoding: Decoding, *, prompt: str | None = None
    ) -> list[Caption]:
        """A caption for each image. Raises ValueError if the given answer does not fit."""
        started = time.perf_counter()
        tokenizer = self.checkpoint.tokenizer
        pixels = self.checkpoint.pixels(list(images))
        denoiser = PrefixedDenoiser(
            self.checkpoint,
            pixels,
            self.checkpoint.prompt_ids(prompt),
            guidance=decoding.guidance,
        )
        canvas = Canvas.blank(
            len(images), self.card.canvas, self.checkpoint.ids, device=self.checkpoint.model.device
        )
        if decoding.given is not None:
            answer = tokenizer(decoding.given, add_special_tokens=False)["input_ids"]
            for row in range(len(images)):
                canvas = canvas.given(row, answer)
        result = decode(denoiser, canvas, decoding.sampler, decoding.steps, trace=decoding.trace)
        seconds = (time.perf_counter() - started) / len(images)
        return [
            Caption(
                text=self.checkpoint.text(response),
                tokens=len(response),
                nfe=nfe,
                seconds=seconds,
                truncated=len(response) == self.card.canvas,
                trace=result.traces[row] if decoding.trace else None,
            )
            for row, (response, nfe) in enumerate(zip(result.responses, result.nfe, strict=True))
        ]


class AutoregressiveCaptioner:
    """Captions by transformers' own greedy `generate`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @property
    def card(self) -> Card:
        return self.checkpoint.card

    @torch.inference_mode()
    def caption(
        self, images: Sequence[Image.Image], decoding: Decoding, *, prompt: str | None = None
    ) -> list[Caption]:
        """A caption for each image; sampler and steps of `decoding` do not apply."""
        started = time.perf_counter()
        model, tokenizer = self.checkpoint.model, self.checkpoint.tokenizer
        pixels = self.checkpoint.pixels(list(images)).to(model.device)
        ids = torch.tensor(self.checkpoint.prompt_ids(prompt), device=model.device)
        ids = ids.expand(len(images), -1)
        output = model.generate(  # type: ignore[misc]
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels,
            image_sizes=torch.tensor([pixels.shape[-2:]] * len(images), device=model.device),
            max_new_tokens=self.card.canvas,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        assert isinstance(output, Tensor)
        written = output[:, ids.size(1) :]
        seconds = (time.perf_counter() - started) / len(images)
        return [self._caption(row, seconds) for row in written.tolist()]

    def _caption(self, written: list[int], seconds: float) -> Caption:
        stop = self.checkpoint.tokenizer.eos_token_id
        truncated = stop not in written
        response = written if truncated else written[: written.index(stop)]
        return Caption(
            text=self.checkpoint.text(response),
            tokens=len(response),
            nfe=len(response) + (not truncated),
            seconds=seconds,
            truncated=truncated,
        )


def pick_device() -> str:
    """The first GPU where there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_captioner(folder: Path, *, device: torch.device | str | None = None) -> Captioner:
    """The captioner of a checkpoint folder, on `device` or on the best there is.

    Raises FileNotFoundError if the folder is no checkpoint.
    """
    checkpoint = Checkpoint.load(folder, device=device or pick_device())
    if checkpoint.card.kind == "autoregressive":
        return AutoregressiveCaptioner(checkpoint)
    return DiffusionCaptioner(checkpoint)
