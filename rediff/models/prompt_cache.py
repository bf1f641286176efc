"""Keys and values of image and prompt, kept from one denoising step to the next.

The whole response is computed in every step, so that visible tokens can be revised; only the
prompt before it is kept, in transformers' static cache. Under prefix attention that is exact. Under
full attention image and prompt see the response, so that the cache grows stale: `refresh` says
after how many steps they are computed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, LlavaOnevisionForConditionalGeneration, StaticCache

from rediff.models.conditioning import PromptEmbeddings, padding
from rediff.models.flops import Meter, Work
from rediff.models.prefix_attention import attention, has_prefix_attention
from rediff.models.shifted_logits import has_shifted_logits

NEVER = 0
"""A `refresh` under which prompts are computed once."""


class PromptCache:
    """Logits of responses after embedded prompts, whose keys and values are kept.

    `refresh`: calls after which a row's prompt is computed again, together with its response;
    `NEVER`: once. A row counts its own calls, so its result does not depend on the others.
    `full`: under full attention, whatever the model's property says.
    """

    def __init__(
        self,
        model: LlavaOnevisionForConditionalGeneration,
        prompt: PromptEmbeddings,
        *,
        refresh: int = NEVER,
        full: bool = False,
    ) -> None:
        self.model = model
        self.prompt = prompt
        self.refresh = refresh
        self.full = full
        self.opening: Tensor | None = None
        self._renews = full or not has_prefix_attention(model)
        self._shifted = has_shifted_logits(model)
        self._calls = [0] * len(prompt.sizes)
        self._whole: _Kept | None = None
        self._part: _Kept | None = None

    def __call__(self, tokens: Tensor, rows: Tensor, meter: Meter) -> Tensor:
        """Logits [b, R, V] for the response tokens [b, R] of the batch rows `rows` [b]."""
        numbers, response = rows.tolist(), tokens.size(1)
        self.prefill(response, meter)
        due = [self._is_due(number) for number in numbers]
        if any(due) and not all(due):
            return self._compute_apart(tokens, rows, torch.tensor(due, device=rows.device), meter)
        kept = self._kept(rows, numbers)
        keep = response + (self._shifted and due[0])
        if due[0]:
            logits = kept.compute_all(self.model, tokens, keep=keep, full=self.full)
        else:
            logits = kept.compute(self.model, tokens)
        for number in numbers:
            self._calls[number] += 1
            total = self.prompt.sizes[number] + response
            meter.add(number, Work.of_pass(total if due[0] else response, total, keep))
        if due[0] and kept is self._whole:
            self._part = None  # a part's copy of these rows is older now
        elif due[0]:
            assert self._whole is not None
            self._whole.take(kept, rows)
        return self._of_next(logits, rows) if self._shifted else logits

    def prefill(self, response: int, meter: Meter) -> None:
        """Makes room for responses of so many tokens; under prefix attention computes all prompts,
        unless that is done."""
        if self._whole is not None and self._whole.response == response:
            return
        self._calls = [0] * len(self.prompt.sizes)
        every = list(range(len(self.prompt.sizes)))
        self._whole, self._part = _Kept.empty(self.model, self.prompt, every, response), None
        if self.refresh == NEVER and not self._renews:
            last = self._whole.prefill(self.model)
            if self._shifted:
                self.opening = self.model.lm_head(last).to(self.prompt.embeddings.device)
            for number, length in enumerate(self.prompt.sizes):
                meter.add(number, Work.of_pass(length, length, int(self._shifted)))

    def _is_due(self, number: int) -> bool:
        calls = self._calls[number]
        if self.refresh == NEVER:
            return calls == 0 and self._renews
        return calls % self.refresh == 0

    def _of_next(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Logits of the positions themselves, of a model whose logits are those of the next one.

        The first position's are those at the end of the prompt, which come with a pass that
        computes the prompt and are kept like it.
        """
        assert self._whole is not None
        if logits.size(1) > self._whole.response:
            if self.opening is None:
                self.opening = logits.new_empty(len(self.prompt.sizes), logits.size(2))
            self.opening[rows] = logits[:, 0]
            return logits[:, :-1]
        assert self.opening is not None
        return torch.cat([self.opening[rows, None], logits[:, :-1]], dim=1)

    def _compute_apart(self, tokens: Tensor, rows: Tensor, due: Tensor, meter: Meter) -> Tensor:
        """Rows whose prompts are due in one pass, the others in another."""
        fresh = self(tokens[due], rows[due], meter)
        old = self(tokens[~due], rows[~due], meter)
        logits = fresh.new_empty(len(rows), *fresh.shape[1:])
        logits[due], logits[~due] = fresh, old
        return logits

    def _kept(self, rows: Tensor, numbers: list[int]) -> _Kept:
        """The cache of some rows; that of the last call's rows is at hand."""
        assert self._whole is not None
        if len(numbers) == len(self._whole.numbers):
            return self._whole
        if self._part is None or self._part.numbers != numbers:
            self._part = None  # before the next one is made: two take memory
            self._part = self._whole.select(self.model, rows, numbers)
        return self._part


@dataclass(frozen=True, slots=True)
class _Kept:
    """The cache of some rows: prompts [b, P], padded on the left, then `response` positions.

    `places`: attention mask and positions of the response.
    """

    numbers: list[int]
    prompt: PromptEmbeddings
    response: int
    places: dict[str, Tensor]
    cache: StaticCache

    @classmethod
    def empty(
        cls,
        model: LlavaOnevisionForConditionalGeneration,
        prompt: PromptEmbeddings,
        numbers: list[int],
        response: int,
    ) -> _Kept:
        total = prompt.embeddings.size(1) + response
        places = padding(prompt.lengths + response, total)
        position = torch.arange(response, device=prompt.lengths.device)
        places["position_ids"] = prompt.lengths[:, None] + position
        cache = StaticCache(model.config, max_cache_len=total)
        return cls(numbers, prompt, response, places, cache)

    @property
    def layers(self) -> list[Any]:
        """The cache's layers; transformers' type does not say that they are static ones."""
        return self.cache.layers

    @property
    def width(self) -> int:
        """P, the length of the longest prompt."""
        return self.prompt.embeddings.size(1)

    def prefill(self, model: LlavaOnevisionForConditionalGeneration) -> Tensor:
        """Computes the prompts without any response; gives the states [b, D] at their ends."""
        alone = DynamicCache(config=model.config)
        places: dict[str, Any] = padding(self.prompt.lengths, self.width)
        states: Tensor = model.model(
            inputs_embeds=self.prompt.embeddings, past_key_values=alone, use_cache=True, **places
        ).last_hidden_state
        found: list[Any] = alone.layers
        for own, layer in zip(self.layers, found, strict=True):
            _fill(own, layer.keys, layer.values)
            layer.keys = layer.values = None  # two of each layer are one too many
        return states[:, -1]

    def compute_all(
        self,
        model: LlavaOnevisionForConditionalGeneration,
        tokens: Tensor,
        *,
        keep: int,
        full: bool,
    ) -> Tensor:
        """Logits of the last `keep` positions; the prompts are computed again."""
        embeddings = torch.cat([self.prompt.embeddings, embed(model, tokens)], dim=1)
        lengths = self.prompt.lengths + self.response
        places = attention(model, embeddings, lengths, self.response, full=full)
        self._place(0)
        return text_logits(model, embeddings, keep=keep, past_key_values=self.cache, **places)

    def compute(self, model: LlavaOnevisionForConditionalGeneration, tokens: Tensor) -> Tensor:
        """Logits of the response after the kept prompt."""
        self._place(self.width)
        return text_logits(
            model,
            embed(model, tokens),
            keep=self.response,
            past_key_values=self.cache,
            **self.places,
        )

    def _place(self, start: int) -> None:
        """Says where in the cache the next positions go."""
        for layer in self.layers:
            layer.cumulative_length.fill_(start)

    def select(
        self,
        model: LlavaOnevisionForConditionalGeneration,
        rows: Tensor,
        numbers: list[int],
    ) -> _Kept:
        """A copy of some rows, without the padding that none of them needs."""
        part = _Kept.empty(model, self.prompt.rows(rows), numbers, self.response)
        for own, layer in zip(part.layers, self.layers, strict=True):
            if layer.is_initialized:
                places = slice(self.width - part.width, self.width)
                _fill(own, layer.keys[rows, :, places], layer.values[rows, :, places])
        return part

    def take(self, part: _Kept, rows: Tensor) -> None:
        """Takes over the prompts that a part has computed."""
        places = slice(self.width - part.width, self.width)
        for own, layer in zip(self.layers, part.layers, strict=True):
            if not own.is_initialized:
                size = (len(self.numbers), -1, -1, -1)
                own.lazy_initialization(layer.keys[:1].expand(size), layer.values[:1].expand(size))
            own.keys[rows, :, places] = layer.keys[:, :, : part.width]
            own.values[rows, :, places] = layer.values[:, :, : part.width]


def _fill(layer: Any, keys: Tensor, values: Tensor) -> None:
    """Makes an empty static layer, and puts the prompts' keys and values in front."""
    layer.lazy_initialization(keys, values)
    layer.keys[:, :, : keys.size(2)], layer.values[:, :, : keys.size(2)] = keys, values


def embed(model: LlavaOnevisionForConditionalGeneration, tokens: Tensor) -> Tensor:
    """The word embeddings [b, R, D] of tokens [b, R]."""
    embeddings: Tensor = model.get_input_embeddings()(tokens)
    return embeddings


def text_logits(
    model: LlavaOnevisionForConditionalGeneration, embeddings: Tensor, *, keep: int, **inputs: Any
) -> Tensor:
    """Logits of the last `keep` positions.

    Args:
        model: its text model is run, and its head on these positions alone.
        embeddings: [b, T, D].
        keep: positions at the end whose logits are wanted.
        **inputs: further arguments of transformers' model, as masks, positions and a cache.

    Returns:
        [b, keep, V].
    """
    cached = "past_key_values" in inputs
    output = model(inputs_embeds=embeddings, logits_to_keep=keep, use_cache=cached, **inputs)
    logits: Tensor = output.logits
    return logits.to(embeddings.device)
