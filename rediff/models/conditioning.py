"""A bidirectional model behind image and prompt, as a sampler sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.models.pictures import Pictures
from rediff.models.anyres import pack_tiles


@dataclass(frozen=True, slots=True)
class Prefix:
    """What stands before the canvas, embedded.

    `embeddings` [B, P, D], shorter rows padded on the left; `lengths` int64 [B], without padding.
    """

    embeddings: Tensor
    lengths: Tensor

    def rows(self, rows: Tensor) -> Prefix:
        """Some of the rows, without the padding that none of them needs."""
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        return Prefix(self.embeddings[rows, self.embeddings.size(1) - longest :], lengths)

    def blank(self, embedding: Tensor) -> Prefix:
        """A prefix of the same lengths in which every position is `embedding` [D]."""
        return Prefix(embedding.expand_as(self.embeddings), self.lengths)


def image_features(
    model: LlavaOnevisionForConditionalGeneration, pictures: Pictures
) -> list[Tensor]:
    """The image tokens [L, D] of each picture."""
    config, inner = model.config, model.model
    tiles = pictures.tiles.to(model.device, model.dtype)
    hidden = inner.vision_tower(tiles, output_hidden_states=True).hidden_states
    features = inner.multi_modal_projector(hidden[config.vision_feature_layer])
    return [
        pack_tiles(own, inner.image_newline, size, config)
        for own, size in zip(features.split(list(pictures.counts)), pictures.sizes, strict=True)
    ]


def splice(
    model: LlavaOnevisionForConditionalGeneration,
    prompts: Sequence[Sequence[int]],
    features: Sequence[Tensor] = (),
) -> Prefix:
    """The prefix of each prompt, each image token of it replaced by the next picture's features.

    Raises ValueError if there are not as many pictures as image tokens.
    """
    image = model.config.image_token_id
    places = sum(list(ids).count(image) for ids in prompts)
    if places != len(features):
        raise ValueError(f"{len(features)} pictures for {places} image tokens in the prompts")
    widths = iter([len(picture) for picture in features])
    rows = [
        torch.tensor(
            [i for token in ids for i in [token] * (next(widths) if token == image else 1)]
        )
        for ids in prompts
    ]
    lengths = torch.tensor([len(row) for row in rows], device=model.device)
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side="left").to(model.device)
    embeddings = model.get_input_embeddings()(ids)
    if features:
        seen = (ids == image) & _behind_padding(lengths, ids.size(1))
        embeddings = embeddings.masked_scatter(
            seen[..., None].expand_as(embeddings), torch.cat(list(features)).to(embeddings)
        )
    return Prefix(embeddings, lengths)


def _behind_padding(lengths: Tensor, total: int) -> Tensor:
    """Positions that are no padding; bool [B, total]."""
    return torch.arange(total, device=lengths.device) >= total - lengths[:, None]


class PrefixedDenoiser:
    """A bidirectional model behind a prefix, as a `Denoiser`.

    Image and prompt are embedded once; each call runs the language model over prefix and canvas,
    and its head on the canvas alone. Padding is masked out and not counted in positions, so a row
    does not depend on its neighbours. With `guidance` g the logits are u + (g + 1)(c - u), u from
    a prefix that is all masks (classifier-free guidance as in LLaDA), at two passes a call.
    """

    def __init__(
        self,
        model: LlavaOnevisionForConditionalGeneration,
        prefix: Prefix,
        *,
        mask: int,
        guidance: float = 0.0,
    ) -> None:
        self.model = model
        self.guidance = guidance
        self.passes = 2 if guidance else 1
        self.prefix = prefix
        self.before = prefix.lengths
        self.blank = prefix.blank(self._embed(torch.tensor(mask, device=model.device)))

    def __call__(self, tokens: Tensor, rows: Tensor) -> Tensor:
        conditional = self._logits(self.prefix.rows(rows), tokens)
        if not self.guidance:
            return conditional
        free = self._logits(self.blank.rows(rows), tokens)
        return free + (self.guidance + 1) * (conditional - free)

    def _embed(self, tokens: Tensor) -> Tensor:
        return self.model.get_input_embeddings()(tokens)

    def _logits(self, prefix: Prefix, tokens: Tensor) -> Tensor:
        embeddings = torch.cat([prefix.embeddings, self._embed(tokens)], dim=1)
        output = self.model(
            inputs_embeds=embeddings,
            logits_to_keep=tokens.size(1),
            **padding(prefix.lengths + tokens.size(1), embeddings.size(1)),
        )
        return output.logits.to(tokens.device)


def padding(lengths: Tensor, total: int) -> dict[str, Tensor]:
    """Attention mask and positions for rows of `lengths` [B] padded on the left to `total`.

    Nothing where no row is padded.
    """
    pads = total - lengths
    if not bool(pads.any()):
        return {}
    position = torch.arange(total, device=pads.device) - pads[:, None]
    return {"attention_mask": (position >= 0).long(), "position_ids": position.clamp(min=0)}
