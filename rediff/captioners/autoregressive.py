"""Captions by an autoregressive checkpoint of ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from rediff.captioners.base import Capabilities, Caption, CaptionRequest, Decoding, Failure
from rediff.captioners.diffusion import prompt_ids
from rediff.captioners.timing import Clock
from rediff.decoding.canvas import check_finite
from rediff.models.checkpoint import Checkpoint
from rediff.models.conditioning import PromptEmbeddings, embed_prompt, image_features, padding
from rediff.models.flops import Work, caption_flops

GREEDY = "greedy"
"""Sampler name of models that decode left to right, one token a step."""


@dataclass(frozen=True, slots=True)
class Written:
    """A response: its token ids without eos; `truncated`: whether it had none."""

    response: list[int]
    truncated: bool

    @property
    def passes(self) -> int:
        """Forward passes that it took at a token a pass, eos too."""
        return len(self.response) + (not self.truncated)


class AutoregressiveCaptioner:
    """Captions by transformers' own greedy `generate`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            kind="autoregressive", length=self.checkpoint.config.canvas, sampler=GREEDY
        )

    @torch.inference_mode()
    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        """A caption for each request."""
        clock = Clock(self.checkpoint.model.device)
        with clock.phase("picture"):
            prompt = self._embed(requests)
        with clock.phase("steps"):
            written = self._generate(prompt)
        rows = zip(written, requests, prompt.sizes, strict=True)
        captions = [self._caption(row, request, size) for row, request, size in rows]
        phases = {name: clock.seconds[name] / len(requests) for name in ("picture", "steps")}
        seconds, shown = sum(phases.values()), phases if decoding.timed else None
        return [replace(caption, seconds=seconds, phases=shown) for caption in captions]

    @torch.inference_mode()
    def decode(
        self, requests: Sequence[CaptionRequest], *processors: LogitsProcessor
    ) -> list[Written]:
        """The responses as token ids.

        Args:
            requests: the pictures, as one batch.
            processors: change the logits before the likeliest word is taken.
        """
        return self._generate(self._embed(requests), *processors)

    def _embed(self, requests: Sequence[CaptionRequest]) -> PromptEmbeddings:
        model = self.checkpoint.model
        images = self.checkpoint.image_batch([request.image for request in requests])
        features = image_features(model, images)
        return embed_prompt(model, prompt_ids(self.checkpoint, requests), features)

    def _generate(self, prompt: PromptEmbeddings, *processors: LogitsProcessor) -> list[Written]:
        tokenizer = self.checkpoint.tokenizer
        places: dict[str, Any] = padding(prompt.lengths, prompt.embeddings.size(1))
        output = self.checkpoint.model.generate(  # type: ignore[misc]
            inputs_embeds=prompt.embeddings,
            **places,
            max_new_tokens=self.checkpoint.config.canvas,
            do_sample=False,
            logits_processor=LogitsProcessorList([FiniteLogits(), *processors]),
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        assert isinstance(output, Tensor)
        return [cut_at(row, {tokenizer.eos_token_id}) for row in output.tolist()]

    def _caption(self, written: Written, request: CaptionRequest, prompt: int) -> Caption:
        config = self.checkpoint.model.config
        work = Work.of_pass(prompt, prompt, 1)
        for place in range(1, written.passes):
            work += Work.of_pass(1, prompt + place, 1)
        return Caption(
            text=self.checkpoint.text(written.response),
            tokens=len(written.response),
            nfe=written.passes,
            computed=work.tokens,
            flops=caption_flops(config, work, request.image.size),
            truncated=written.truncated,
        )

    def close(self) -> None:
        """Holds nothing but memory."""


class FiniteLogits(LogitsProcessor):
    """Raises NotFiniteError in the middle of `generate`, where the argmax would be any word.

    Words that other processors have forbidden are minus infinity; not all may be.
    """

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        check_finite(scores.float().logsumexp(dim=-1))
        return scores


class FirstOfTies(LogitsProcessor):
    """Takes the first word of the vocabulary among those that are about as likely as the likeliest.

    Where a model has learnt many right answers, which of some synonyms is the likeliest, or which
    of some figures is told first, hangs on small things in the picture. A student cannot tell it
    and mixes them. Here it is always the same one. Facts that the model sees are sure, and so have
    no ties.

    `ratio`: above 0, at most 1; a word is tied that is at least as likely as this times the
    likeliest.
    """

    def __init__(self, ratio: float) -> None:
        self.margin = math.log(ratio)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Minus infinity for all but one word of each row; float [b, V]."""
        tied = scores >= scores.amax(dim=-1, keepdim=True) + self.margin
        first = tied.int().argmax(dim=-1, keepdim=True)
        return torch.full_like(scores, -math.inf).scatter(-1, first, 0.0)


def cut_at(tokens: list[int], stops: set[int]) -> Written:
    """The response before the first of some eos tokens."""
    end = next((i for i, token in enumerate(tokens) if token in stops), len(tokens))
    return Written(tokens[:end], truncated=end == len(tokens))
