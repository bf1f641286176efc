"""Image and prompt as embeddings."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlavaOnevisionForConditionalGeneration

from rediff.models.anyres import ImageBatch, pack_tiles


@dataclass(frozen=True)
class PromptEmbeddings:
    """The embedded prompts of a batch, pictures included.

    `embeddings`: [B, P, D], shorter rows padded on the left. `lengths`: int64 [B], without padding.
    """

    embeddings: Tensor
    lengths: Tensor

    @functools.cached_property
    def sizes(self) -> list[int]:
        """The lengths as numbers."""
        sizes: list[int] = self.lengths.tolist()
        return sizes

    def rows(self, rows: Tensor) -> PromptEmbeddings:
        """Some of the rows, int64 [b], without the padding that none of them needs."""
        longest = max(self.sizes[number] for number in rows.tolist())
        start = self.embeddings.size(1) - longest
        return PromptEmbeddings(self.embeddings[rows, start:], self.lengths[rows])

    def filled_with(self, embedding: Tensor) -> PromptEmbeddings:
        """Prompts of the same lengths in which every position is `embedding` [D]."""
        return PromptEmbeddings(embedding.expand_as(self.embeddings), self.lengths)


def image_features(
    model: LlavaOnevisionForConditionalGeneration, images: ImageBatch
) -> list[Tensor]:
    """The image tokens of each picture, as the text model takes them.

    Args:
        model: gives the vision tower, the projector and the newline embedding.
        images: the tiles of B pictures, [tiles, 3, height, width].

    Returns:
        B tensors [L, D] of the model's dtype, L as `image_tokens` counts them.
    """
    config, inner = model.config, model.model
    tiles = images.tiles.to(model.device, model.dtype)
    hidden = inner.vision_tower(tiles, output_hidden_states=True).hidden_states
    features = inner.multi_modal_projector(hidden[config.vision_feature_layer])
    return [
        pack_tiles(tiles, inner.image_newline, size, config)
        for tiles, size in zip(features.split(list(images.counts)), images.sizes, strict=True)
    ]


def embed_prompt(
    model: LlavaOnevisionForConditionalGeneration,
    prompts: Sequence[Sequence[int]],
    features: Sequence[Tensor] = (),
) -> PromptEmbeddings:
    """The embeddings of each prompt, every image token replaced by the next picture's features.

    Args:
        model: gives the word embeddings and the id of the image token.
        prompts: token ids.
        features: [L, D] of each picture, in the order of the image tokens.

    Raises:
        ValueError: if there are not as many pictures as image tokens.
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
        position = torch.arange(ids.size(1), device=lengths.device)
        inside = position >= ids.size(1) - lengths[:, None]
        is_image = (ids == image) & inside
        embeddings = embeddings.masked_scatter(
            is_image[..., None].expand_as(embeddings), torch.cat(list(features)).to(embeddings)
        )
    return PromptEmbeddings(embeddings, lengths)


def padding(lengths: Tensor, total: int) -> dict[str, Tensor]:
    """Attention mask and positions for rows that are padded on the left; empty if none is.

    Args:
        lengths: of the rows without padding, int64 [B].
        total: length with padding.
    """
    pads = total - lengths
    if not bool(pads.any()):
        return {}
    position = torch.arange(total, device=pads.device) - pads[:, None]
    return {"attention_mask": (position >= 0).long(), "position_ids": position.clamp(min=0)}
