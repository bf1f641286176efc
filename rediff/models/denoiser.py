"""A bidirectional model conditioned on image and prompt, as decoding knows it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.models.conditioning import PromptEmbeddings
from rediff.models.flops import Meter, Work
from rediff.models.prefix_attention import attention, has_prefix_attention
from rediff.models.prompt_cache import NEVER, PromptCache, embed, text_logits

Compute = Callable[[Tensor, Tensor, Meter], Tensor]
"""Logits [b, R, V] for the response tokens [b, R] of the batch rows [b], and what they took."""


class PromptedDenoiser:
    """A bidirectional model conditioned on embedded prompts, as a `Denoiser`.

    Image and prompt are embedded once. Under full attention each call runs the language model over
    prompt and canvas, under prefix attention over the canvas alone behind the keys and values of
    the prompt; its head sees the canvas alone in any case. Padding is masked out and not counted in
    positions, so that a row does not depend on its neighbours. With `guidance` g the logits are
    u + (g + 1)(c - u), where c are the conditional logits and u those of a prompt of masks alone
    (classifier-free guidance as in LLaDA, arXiv 2502.09992, appendix A.2), at two passes a call.
    """

    def __init__(
        self,
        model: LlavaOnevisionForConditionalGeneration,
        prompt: PromptEmbeddings,
        *,
        mask: int,
        guidance: float = 0.0,
    ) -> None:
        self.model = model
        self.guidance = guidance
        self.passes = 2 if guidance else 1
        self.prompt_lengths = prompt.lengths
        self.prompts = [prompt]
        if guidance:
            self.prompts.append(prompt.filled_with(embed(model, prompt.lengths.new_tensor(mask))))
        self._exact: Sequence[Compute] = [self._compute_exactly(one) for one in self.prompts]
        self._computes: Sequence[Compute] = self._exact
        self.meter = Meter(len(prompt.lengths))

    def prefill(self, response: int) -> None:
        """Computes the prompts under prefix attention, for responses of so many tokens; else waits
        for the first call."""
        for compute in self._exact:
            if isinstance(compute, PromptCache):
                compute.prefill(response, self.meter)

    def metered(self, meter: Meter) -> PromptedDenoiser:
        """The same, counting what it computes on a meter of the caller's."""
        other = copy.copy(self)
        other.meter = meter
        return other

    def refreshed(self, every: int | None) -> PromptedDenoiser:
        """The same for one decoding, with what is kept of the prompts as old as said.

        Args:
            every: calls after which image and prompt are computed anew, 0 for once; None for as
                often as it takes to be exact: under full attention in every call, and nothing is
                kept, under prefix attention once for all decodings of this denoiser.
        """
        if every is None or (every == NEVER and has_prefix_attention(self.model)):
            return self._with(self._exact)
        return self._with([PromptCache(self.model, one, refresh=every) for one in self.prompts])

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """Logits [b, R, V] for the canvas tokens [b, R] of the batch rows `rows` [b]."""
        conditional, *free = (compute(tokens, rows, self.meter) for compute in self._computes)
        if not free:
            return conditional
        return free[0] + (self.guidance + 1) * (conditional - free[0])

    def _with(self, computes: Sequence[Compute]) -> PromptedDenoiser:
        other = copy.copy(self)
        other._computes = computes
        return other

    def _compute_exactly(self, prompt: PromptEmbeddings) -> Compute:
        if has_prefix_attention(self.model):
            return PromptCache(self.model, prompt, refresh=NEVER)
        return partial(compute_anew, self.model, prompt)


def compute_anew(
    model: LlavaOnevisionForConditionalGeneration,
    prompt: PromptEmbeddings,
    tokens: Tensor,
    rows: Tensor,
    meter: Meter,
) -> Tensor:
    """Logits of responses, their prompts computed with them and nothing kept.

    Args:
        model: the network.
        prompt: of the whole batch.
        tokens: of the responses, int64 [b, R].
        rows: their rows in the batch, int64 [b].
        meter: counts the work.

    Returns:
        [b, R, V].
    """
    own, response = prompt.rows(rows), tokens.size(1)
    embeddings = torch.cat([own.embeddings, embed(model, tokens)], dim=1)
    places = attention(model, embeddings, own.lengths + response, response)
    for row, length in zip(rows.tolist(), own.lengths.tolist(), strict=True):
        meter.add(row, Work.of_pass(length + response, length + response, response))
    return text_logits(model, embeddings, keep=response, **places)
