"""Pictures as a vision tower takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import LlavaOnevisionImageProcessorPil, SiglipImageProcessorPil

from rediff.data.images import to_rgb

ImageProcessor = SiglipImageProcessorPil | LlavaOnevisionImageProcessorPil


@dataclass(frozen=True, slots=True)
class Pictures:
    """A batch of pictures.

    `tiles` float32 [N, 3, S, S], those of all pictures one after another; `counts`: tiles of each
    picture; `sizes`: each picture's (width, height) in pixels.
    """

    tiles: Tensor
    counts: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]


def prepare(images: Sequence[Image.Image], processor: ImageProcessor) -> Pictures:
    """Pictures of any mode and size as tiles; a SigLIP processor takes each whole, as one tile."""
    rgb = [to_rgb(image) for image in images]
    sizes = tuple(image.size for image in rgb)
    if isinstance(processor, SiglipImageProcessorPil):
        tiles = processor(rgb, return_tensors="pt")["pixel_values"]
        return Pictures(tiles, (1,) * len(rgb), sizes)
    pixels = [np.asarray(processor(image, do_pad=False)["pixel_values"][0]) for image in rgb]
    tiles = torch.from_numpy(np.concatenate(pixels)).float()
    return Pictures(tiles, tuple(map(len, pixels)), sizes)


def stack(batch: Sequence[Pictures]) -> Pictures:
    """Several batches as one."""
    return Pictures(
        torch.cat([pictures.tiles for pictures in batch]),
        tuple(count for pictures in batch for count in pictures.counts),
        tuple(size for pictures in batch for size in pictures.sizes),
    )


def unstack(pictures: Pictures) -> list[Pictures]:
    """Each picture as a batch of its own."""
    tiles = pictures.tiles.split(list(pictures.counts))
    return [
        Pictures(own, (len(own),), (size,)) for own, size in zip(tiles, pictures.sizes, strict=True)
    ]
