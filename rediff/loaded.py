"""The front door: a model by name, ready to describe pictures one at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from rediff.captioners.base import Caption, Captioner, CaptionRequest, Decoding, Failure
from rediff.captioners.sources import Loading, ModelSource, check_device, find_model
from rediff.data.images import open_image
from rediff.decoding.recorder import OnStep
from rediff.decoding.registry import SAMPLERS, find_sampler, sampler_name
from rediff.decoding.sampler import Sampler
from rediff.io.quiet import quiet_libraries
from rediff.plugins import load_plugins


def load(name: str | os.PathLike[str], **loading: Any) -> LoadedModel:
    """Loads a model.

    Args:
        name: a shipped or known name ("rediff"), a folder, a hub id, or `SCHEME:WHERE`; with
            `:SAMPLER` after it to choose a sampler. See `find_model`.
        loading: fields of `Loading`, as `device="cuda:1"`.

    Raises:
        ValueError, OSError: with one sentence, if the model does not exist or cannot be loaded.

    Examples:
        >>> load("rediff:mask-predict", max_tokens=40)
        LoadedModel('rediff', diffusion, 40 tokens, sampler mask-predict)
    """
    load_plugins()
    quiet_libraries()
    asked = Loading(**loading)
    check_device(asked.device)
    source = find_model(os.fspath(name), asked)
    return LoadedModel(source, source.open())


class LoadedModel:
    """A loaded model. A context manager; close it to release its resources."""

    def __init__(self, source: ModelSource, captioner: Captioner) -> None:
        self.source = source
        self.captioner = captioner

    def caption(
        self,
        image: Image.Image | str | os.PathLike[str],
        *,
        ask: str | Sequence[str] | None = None,
        sampler: str | Sampler | None = None,
        steps: int | None = None,
        prefill: str | None = None,
        guidance: float = 0.0,
        trace: bool = False,
        on_step: OnStep | None = None,
        name: str = "image",
    ) -> Caption:
        """Describes a picture, or answers a question about it.

        Args:
            image: the picture, or its file.
            ask: a question instead of a description; a sequence of questions and answers in turn
                (a question last) is a dialogue.
            sampler: a name (see `find_sampler`) or a sampler; by default the one in the model's
                name, or its own.
            steps: denoising steps; by default one for each token.
            prefill: the beginning of an answer, which the model continues or revises.
            guidance: scale of classifier-free guidance, 0 for none.
            trace: record every denoising step in `Caption.trace`.
            on_step: called after every denoising step.
            name: of the picture, for captioners that look captions up by it.

        Raises:
            ValueError, OSError: for a picture that cannot be opened, or options that the model
                does not take.
            RuntimeError: if the model gives no caption, saying why.

        Examples:
            >>> from rediff import scene
            >>> caption = load("rediff").caption(scene(0).image, steps=10, trace=True)
            >>> caption.nfe, caption.trace.tokens.shape
            (10, torch.Size([10, 80]))
        """
        picture = image if isinstance(image, Image.Image) else open_image(Path(image))
        dialogue = (ask,) if isinstance(ask, str) else None if ask is None else tuple(ask)
        if dialogue is not None and len(dialogue) % 2 == 0:
            raise ValueError("`ask`: questions and answers in turn, a question first and last")
        chosen = self.source.sampler if sampler is None else sampler
        own = bool(chosen or trace or prefill or guidance or on_step)
        self._check_taken(own, steps)
        decoding = Decoding(
            sampler=find_sampler(chosen) if isinstance(chosen, str) else chosen,
            steps=steps,
            trace=trace,
            prefill=prefill,
            guidance=guidance,
            on_step=on_step,
        )
        request = CaptionRequest(image=picture, dialogue=dialogue, id=name)
        with SAMPLERS.blaming(sampler_name(chosen) if isinstance(chosen, str) else ""):
            (reply,) = self.captioner.caption([request], decoding)
        if isinstance(reply, Failure):
            raise RuntimeError(f"no caption: {reply.error}")
        return reply

    def _check_taken(self, of_diffusion: bool, steps: int | None) -> None:
        able = self.captioner.capabilities
        who = f"{self.source.name} ({able.kind})"
        if of_diffusion and not able.takes_samplers:
            raise ValueError(f"{who} takes no sampler, trace, prefill or guidance")
        if steps is not None and not able.takes_steps:
            raise ValueError(f"{who} has no denoising steps")
        if steps is not None and steps < 1:
            raise ValueError(f"`steps`: a whole number from 1 on, got {steps}")

    def close(self) -> None:
        """Gives back memory, connections and processes."""
        self.captioner.close()

    def __enter__(self) -> LoadedModel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        able = self.captioner.capabilities
        length = "" if able.length is None else f", {able.length} tokens"
        sampler = self.source.sampler or able.sampler
        return f"LoadedModel({self.source.name!r}, {able.kind}{length}, sampler {sampler})"
