"""A bidirectional model conditioned on image and prompt, as decoding knows it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.decoding.denoiser import Denoiser
from rediff.decoding.noise import Keys
from rediff.models.conditioning import PromptEmbeddings
from rediff.models.error_logit import doubts
from rediff.models.flops import Meter, Work
from rediff.models.leave_one_out import leave_one_out_logits
from rediff.models.prefix_attention import attention, has_prefix_attention
from rediff.models.prompt_cache import NEVER, PromptCache, embed, text_logits
from rediff.models.shifted_logits import has_shifted_logits

AT_ONCE = 640
"""Positions that a CPU computes at once: its caches hold no more, and more take longer each."""
Compute = Callable[[Tensor, Tensor, Meter], Tensor]
"""Logits [b, R, V] for the response tokens [b, R] of the batch rows [b], and their cost."""


class PromptedDenoiser:
    """A bidirectional model conditioned on embedded prompts, as a `Denoiser`.

    Image and prompt are embedded once. Under full attention each call runs the language model over
    prompt and canvas, under prefix attention over the canvas alone after the keys and values of
    the prompt; its head sees the canvas alone in any case. Padding is masked out and not counted in
    positions, so that a row does not depend on its neighbours. With `guidance` g the logits are
    u + (g + 1)(c - u), where c are the conditional logits and u those of a prompt of masks alone
    (classifier-free guidance as in LLaDA, arXiv 2502.09992, appendix A.2), at two passes a call.
    `full`: under full attention, whatever the model's property says. `keys`: see `Denoiser`; the
    rows' own numbers where there are none.
    """

    def __init__(
        self,
        model: LlavaOnevisionForConditionalGeneration,
        prompt: PromptEmbeddings,
        *,
        mask: int,
        guidance: float = 0.0,
        full: bool = False,
        keys: Keys | None = None,
    ) -> None:
        self.model = model
        self.guidance = guidance
        self.keys: Keys = range(len(prompt.lengths)) if keys is None else keys
        self.prefix = has_prefix_attention(model) and not full
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

    @property
    def prefills(self) -> int:
        """Forward passes over the prompts alone, which prefix attention needs once."""
        return self.passes if self.prefix else 0

    def opening(self, response: int) -> Tensor | None:
        """See `Denoiser.opening`."""
        if not (self.prefix and has_shifted_logits(self.model)):
            return None
        self.prefill(response)
        openings = [one.opening for one in self._exact if isinstance(one, PromptCache)]
        return self._guided(logits for logits in openings if logits is not None)

    def under_full_attention(self) -> PromptedDenoiser:
        """See `Denoiser.under_full_attention`."""
        if not self.prefix:
            return self
        other = copy.copy(self)
        other.prefix = False
        other._exact = other._computes = [other._compute_exactly(one) for one in self.prompts]
        return other

    def metered(self, meter: Meter) -> PromptedDenoiser:
        """The same, counting its work on a meter of the caller's."""
        other = copy.copy(self)
        other.meter = meter
        return other

    def refreshed(self, every: int | None) -> PromptedDenoiser:
        """The same for one decoding, with a limit on the age of cached prompts.

        Args:
            every: calls after which image and prompt are computed again, 0 for once; None for as
                often as it takes to be exact: under full attention in every call, and nothing is
                kept, under prefix attention once for all decodings of this denoiser.
        """
        if every is None or (every == NEVER and self.prefix):
            return self._with(self._exact)
        full = not self.prefix
        return self._with(
            [PromptCache(self.model, one, refresh=every, full=full) for one in self.prompts]
        )

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """Logits [b, R, V] for the canvas tokens [b, R] of the batch rows `rows` [b]."""
        return self._guided(compute(tokens, rows, self.meter) for compute in self._computes)

    def leave_one_out(self, tokens: Tensor, rows: Tensor, *, mask: int) -> Tensor:
        """See `Denoiser.leave_one_out`. Raises ValueError for a model with shifted logits."""
        return self._guided(
            leave_one_out_logits(
                self.model, one, tokens, rows, self.meter, mask=mask, prefix=self.prefix
            )
            for one in self.prompts
        )

    def doubts(self, logits: Tensor, *, mask: int) -> Tensor:
        """See `Denoiser.doubts`. Raises ValueError for a model that was not trained to say it."""
        return doubts(self.model, logits, mask)

    def _guided(self, logits: Iterable[Tensor]) -> Tensor:
        """The logits of the prompts; led away from those of masks alone where there are any."""
        conditional, *free = logits
        if not free:
            return conditional
        return free[0] + (self.guidance + 1) * (conditional - free[0])

    def _with(self, computes: Sequence[Compute]) -> PromptedDenoiser:
        other = copy.copy(self)
        other._computes = computes
        return other

    def _compute_exactly(self, prompt: PromptEmbeddings) -> Compute:
        if self.prefix:
            return PromptCache(self.model, prompt, refresh=NEVER)
        return Anew(self.model, prompt)


class FixedBatch:
    """A denoiser that computes the whole batch in every call, so that a compiled model sees few
    shapes. Rows that are not asked for keep their last tokens, and are given to no one."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser = denoiser
        self.passes = denoiser.passes
        self.prompt_lengths = denoiser.prompt_lengths
        self.keys = denoiser.keys
        self._tokens: Tensor | None = None

    def refreshed(self, every: int | None) -> FixedBatch:
        """See `Denoiser.refreshed`. Raises ValueError for prompts that grow old: rows that are done
        would have theirs renewed for those that are not."""
        if every is not None:
            raise ValueError("a compiled model takes no `refresh`: leave out one of the two")
        return FixedBatch(self.denoiser.refreshed(None))

    def opening(self, response: int) -> Tensor | None:
        """See `Denoiser.opening`."""
        return self.denoiser.opening(response)

    def under_full_attention(self) -> FixedBatch:
        """See `Denoiser.under_full_attention`."""
        return FixedBatch(self.denoiser.under_full_attention())

    def leave_one_out(self, tokens: Tensor, rows: Tensor, *, mask: int) -> Tensor:
        """See `Denoiser.leave_one_out`; in shapes of its own."""
        return self.denoiser.leave_one_out(tokens, rows, mask=mask)

    def doubts(self, logits: Tensor, *, mask: int) -> Tensor:
        """See `Denoiser.doubts`."""
        return self.denoiser.doubts(logits, mask=mask)

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """See `Denoiser.__call__`."""
        count = len(self.prompt_lengths)
        if self._tokens is None:
            self._tokens = tokens[:1].repeat(count, 1)
        self._tokens[rows] = tokens
        return self.denoiser(self._tokens, torch.arange(count))[rows]


def compile_text_model(model: LlavaOnevisionForConditionalGeneration) -> None:
    """Has torch compile the text model, on a GPU into CUDA graphs; the first pass of each shape
    takes seconds to minutes."""
    mode = "reduce-overhead" if model.device.type == "cuda" else None
    model.model.language_model.compile(mode=mode)


class Anew:
    """Logits of responses under full attention, their prompts computed with them; only embeddings
    are kept.

    The prompts of the last rows are at hand in front of a place for their responses.
    """

    def __init__(
        self, model: LlavaOnevisionForConditionalGeneration, prompt: PromptEmbeddings
    ) -> None:
        self.model = model
        self.prompt = prompt
        self.shifted = has_shifted_logits(model)
        self._numbers: list[int] = []
        self._response = 0
        self._whole = prompt.embeddings
        self._places: dict[str, Tensor] = {}

    def __call__(self, tokens: Tensor, rows: Tensor, meter: Meter) -> Tensor:
        """Logits [b, R, V] for the response tokens [b, R] of the batch rows `rows` [b]."""
        response, numbers = tokens.size(1), rows.tolist()
        if numbers != self._numbers or response != self._response:
            own = self.prompt.rows(rows)
            room = own.embeddings.new_zeros(len(numbers), response, own.embeddings.size(2))
            self._numbers, self._response = numbers, response
            self._whole = torch.cat([own.embeddings, room], dim=1)
            lengths = own.lengths + response
            self._places = attention(self.model, self._whole, lengths, response, full=True)
        keep = response + self.shifted
        for number in numbers:
            total = self.prompt.sizes[number] + response
            meter.add(number, Work.of_pass(total, total, keep))
        whole = self._whole
        whole[:, -response:] = embed(self.model, tokens)
        if whole.device.type != "cpu":
            return text_logits(self.model, whole, keep=keep, **self._places)[:, :response]
        few = max(1, AT_ONCE // whole.size(1))
        parts = []
        for start in range(0, len(numbers), few):
            part = slice(start, start + few)
            places = {name: place[part] for name, place in self._places.items()}
            parts.append(text_logits(self.model, whole[part], keep=keep, **places))
        return torch.cat(parts)[:, :response]
