"""Captions by a masked-diffusion checkpoint with any sampler."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from rediff.captioners.base import Capabilities, Caption, CaptionRequest, Decoding, Failure
from rediff.captioners.timing import Clock, TimedDenoiser
from rediff.decoding.canvas import Canvas
from rediff.decoding.denoiser import Denoiser
from rediff.decoding.loop import Decoded
from rediff.decoding.registry import find_sampler
from rediff.decoding.sampler import Sampler
from rediff.decoding.trace import Trace
from rediff.models.checkpoint import Checkpoint
from rediff.models.conditioning import embed_prompt, image_features
from rediff.models.denoiser import FixedBatch, PromptedDenoiser, compile_text_model
from rediff.models.flops import Meter, Work, caption_flops


class DiffusionCaptioner:
    """Captions by a masked-diffusion checkpoint with any sampler."""

    def __init__(self, checkpoint: Checkpoint, *, compiled: bool = False) -> None:
        self.checkpoint = checkpoint
        self.compiled = compiled
        if compiled:
            compile_text_model(checkpoint.model)
        self._last: _Encoded | None = None

    @property
    def capabilities(self) -> Capabilities:
        config = self.checkpoint.config
        return Capabilities(
            kind="diffusion",
            length=config.canvas,
            sampler=config.sampler,
            takes_samplers=True,
            takes_steps=True,
        )

    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        """A caption for each request; asked again about the very same requests, it encodes them
        no second time. The cost of encoding counts for each caption all the same.

        Args:
            requests: the pictures, as one batch.
            decoding: how to decode.

        Raises:
            ValueError: if the prefill does not fit the canvas.
        """
        encoded, meter = self._encode(requests, decoding), Meter(len(requests))
        clock = Clock(self.checkpoint.model.device)
        metered: Denoiser = encoded.denoiser.metered(meter)
        started = time.perf_counter()
        timed = TimedDenoiser(metered, clock) if decoding.timed else metered
        result = self._decode(timed, len(requests), decoding)
        decoded = time.perf_counter() - started
        seconds = (sum(encoded.seconds.values()) + decoded) / len(requests)
        phases = {
            **encoded.seconds,
            "steps": clock.seconds["steps"],
            "choosing": decoded - clock.seconds["steps"],
        }
        length, config = self.checkpoint.config.canvas, self.checkpoint.model.config
        work = [a + b for a, b in zip(encoded.work, meter.rows, strict=True)]
        return [
            Caption(
                text=self.checkpoint.text(response),
                tokens=len(response),
                nfe=nfe + encoded.denoiser.prefills,
                seconds=seconds,
                computed=work[row].tokens,
                flops=caption_flops(config, work[row], requests[row].image.size),
                truncated=len(response) == length,
                trace=self._with_words(result.traces[row]) if decoding.trace else None,
                phases={name: took / len(requests) for name, took in phases.items()}
                if decoding.timed
                else None,
            )
            for row, (response, nfe) in enumerate(zip(result.responses, result.nfe, strict=True))
        ]

    def decode(
        self,
        requests: Sequence[CaptionRequest],
        decoding: Decoding,
        canvas: Canvas | None = None,
    ) -> Decoded:
        """The responses as token ids.

        Args:
            requests: the pictures, as one batch.
            decoding: how to decode.
            canvas: to begin with, on the model's device; None for a blank one.

        Raises:
            ValueError: as `caption`.
        """
        denoiser = self._encode(requests, decoding).denoiser.metered(Meter(len(requests)))
        return self._decode(denoiser, len(requests), decoding, canvas)

    @torch.inference_mode()
    def _encode(self, requests: Sequence[CaptionRequest], decoding: Decoding) -> _Encoded:
        last, guidance = self._last, decoding.guidance
        full = bool(getattr(self._sampler(decoding), "full_attention", False))
        if last is not None and last.is_of(requests, guidance, full=full):
            return last
        self._last = None  # before the next one is made: two take memory
        clock = Clock(self.checkpoint.model.device)
        with clock.phase("picture"):
            denoiser = prompted_denoiser(self.checkpoint, requests, guidance=guidance, full=full)
        with clock.phase("prefill"):
            denoiser.prefill(self.checkpoint.config.canvas)
        seconds = {name: clock.seconds[name] for name in ("picture", "prefill")}
        work = list(denoiser.meter.rows)
        self._last = _Encoded(tuple(requests), guidance, full, denoiser, seconds, work)
        return self._last

    @torch.inference_mode()
    def _decode(
        self, denoiser: Denoiser, rows: int, decoding: Decoding, canvas: Canvas | None = None
    ) -> Decoded:
        checkpoint, length = self.checkpoint, self.checkpoint.config.canvas
        if canvas is None:
            canvas = Canvas.blank(rows, length, checkpoint.ids, device=checkpoint.model.device)
        if decoding.prefill is not None:
            answer = checkpoint.tokenizer(decoding.prefill, add_special_tokens=False)["input_ids"]
            for row in range(rows):
                canvas = canvas.prefill(row, answer)
        if self.compiled:
            denoiser = FixedBatch(denoiser)
        return self._sampler(decoding).decode(
            denoiser,
            canvas,
            decoding.steps or length,
            trace=decoding.trace,
            on_step=decoding.on_step,
        )

    def _sampler(self, decoding: Decoding) -> Sampler:
        return decoding.sampler or find_sampler(self.checkpoint.config.sampler)

    def _with_words(self, trace: Trace) -> Trace:
        """The trace with its words."""
        return replace(trace, words=[self.checkpoint.spell(row) for row in trace.tokens.tolist()])

    def forget(self) -> None:
        """Releases the pictures that were encoded last."""
        self._last = None

    def close(self) -> None:
        """Holds nothing but memory."""
        self.forget()


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Requests as their denoiser, the seconds that encoding took by phase, and the work of
    prefilling each prompt."""

    requests: tuple[CaptionRequest, ...]
    guidance: float
    full: bool
    denoiser: PromptedDenoiser
    seconds: Mapping[str, float]
    work: list[Work]

    def is_of(self, requests: Sequence[CaptionRequest], guidance: float, *, full: bool) -> bool:
        """Whether these are the very requests, not such as are equal to them."""
        same = (len(requests), guidance, full) == (len(self.requests), self.guidance, self.full)
        return same and all(a is b for a, b in zip(requests, self.requests, strict=True))


def prompted_denoiser(
    checkpoint: Checkpoint,
    requests: Sequence[CaptionRequest],
    *,
    guidance: float = 0.0,
    full: bool = False,
) -> PromptedDenoiser:
    """The denoiser of a checkpoint for the images and dialogues of some requests.

    Args:
        checkpoint: a diffusion checkpoint.
        requests: one for each row of the canvas.
        guidance: scale of classifier-free guidance, 0 for none.
        full: under full attention, whatever the model's property says.
    """
    features = image_features(
        checkpoint.model, checkpoint.image_batch([request.image for request in requests])
    )
    prompt = embed_prompt(checkpoint.model, prompt_ids(checkpoint, requests), features)
    return PromptedDenoiser(
        checkpoint.model,
        prompt,
        mask=checkpoint.ids.mask,
        guidance=guidance,
        full=full,
        keys=RequestKeys(requests),
    )


class RequestKeys:
    """A number of each request that tells its picture and dialogue from others, computed where one
    is asked for: most samplers draw nothing."""

    def __init__(self, requests: Sequence[CaptionRequest]) -> None:
        self.requests = requests
        self._known: dict[int, int] = {}

    def __getitem__(self, row: int, /) -> int:
        if row not in self._known:
            request = self.requests[row]
            image = request.image
            digest = hashlib.blake2b(digest_size=8)
            for part in (image.mode, image.size, request.dialogue):
                digest.update(repr(part).encode())
            digest.update(image.tobytes())
            self._known[row] = int.from_bytes(digest.digest(), "big")
        return self._known[row]


def prompt_ids(checkpoint: Checkpoint, requests: Sequence[CaptionRequest]) -> list[list[int]]:
    """The token ids in front of the answer to each request."""
    return [checkpoint.prompt_ids(request.dialogue) for request in requests]
