"""Pictures in tiles (anyres): how LLaDA-V turns a picture of any size into image tokens.

A picture is seen whole, as a thumbnail, and again in a grid of square tiles that fits its shape.
The grid's features are put together, freed of the padding, shrunk if they are too many, and every
row of them ends with a learned newline vector.

transformers' Llava-OneVision packs its features in the same way but rounds where the padding ends,
which gives other tokens for a few sizes (188 x 423 is one), so the packing is computed here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.image_processing_utils import select_best_resolution

from rediff.data.images import to_rgb
from rediff.io.text_files import parse_json

ImageProcessor = SiglipImageProcessorPil | LlavaOnevisionImageProcessorPil


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """A batch of pictures.

    `tiles` float32 [N, 3, S, S], those of all pictures one after another; `counts`: tiles of each
    picture; `sizes`: each picture's (width, height) in pixels.
    """

    tiles: Tensor
    counts: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]


def prepare_images(images: Sequence[Image.Image], processor: ImageProcessor) -> ImageBatch:
    """Pictures of any mode and size as tiles; a SigLIP processor takes each whole, as one
    tile."""
    rgb = [to_rgb(image) for image in images]
    sizes = tuple(image.size for image in rgb)
    if isinstance(processor, SiglipImageProcessorPil):
        tiles = processor(rgb, return_tensors="pt")["pixel_values"]
        return ImageBatch(tiles, (1,) * len(rgb), sizes)
    pixels = [np.asarray(processor(image, do_pad=False)["pixel_values"][0]) for image in rgb]
    tiles = torch.from_numpy(np.concatenate(pixels)).float()
    return ImageBatch(tiles, tuple(map(len, pixels)), sizes)


def stack_batches(batch: Sequence[ImageBatch]) -> ImageBatch:
    """Several batches as one."""
    return ImageBatch(
        torch.cat([pictures.tiles for pictures in batch]),
        tuple(count for pictures in batch for count in pictures.counts),
        tuple(size for pictures in batch for size in pictures.sizes),
    )


ANYRES = "anyres"
SHRINK_ABOVE = 1.1
"""A grid whose sides exceed the allowed ones by more than this ratio is shrunk."""


POOL = "tile_pooling"
"""Name of the config's key that says how the features of tiles are pooled; missing if they are
not."""
POOLS = ("bilinear", "average", "max")
"""Bilinear takes half the patches along a side, rounded up, the others rounded down."""


def set_pool(config: LlavaOnevisionConfig, mode: str) -> None:
    """Writes into a config how the features of each tile are pooled.

    Args:
        config: of a model.
        mode: one of `POOLS`.
    """
    setattr(config, POOL, mode)


def grid_pinpoints(pinpoints: object, side: int) -> list[list[int]]:
    """The (height, width) in pixels of every grid that `image_grid_pinpoints` names.

    A range like "(1x1),...,(6x6)" counts tiles of `side` pixels, width before height; its order is
    that of the official code: of equally good grids the first is taken. A list, or a list as text,
    has the (width, height) of each grid in pixels. Raises ValueError for anything else.
    """
    text = str(pinpoints)
    if text.startswith("["):
        pairs = parse_json(text.replace("(", "[").replace(")", "]"), "image_grid_pinpoints")
        return [_grid(pair, side) for pair in pairs]
    corners = [(int(width), int(height)) for width, height in re.findall(r"\((\d+)x(\d+)\)", text)]
    if len(corners) < 2:
        raise ValueError(f"image_grid_pinpoints {text!r}: expected a range like (1x1),...,(6x6)")
    (first_width, first_height), (last_width, last_height) = corners[0], corners[-1]
    return [
        [height * side, width * side]
        for width in range(first_width, last_width + 1)
        for height in range(first_height, last_height + 1)
    ]


def _grid(pair: object, side: int) -> list[int]:
    """(height, width) of a grid given as [width, height] in pixels."""
    if not isinstance(pair, list) or len(pair) != 2 or any(n % side or n <= 0 for n in pair):
        raise ValueError(f"image_grid_pinpoints: {pair} must be two multiples of {side} pixels")
    return [pair[1], pair[0]]


def tile_grid(size: tuple[int, int], config: LlavaOnevisionConfig) -> tuple[int, int]:
    """Rows and columns of tiles for a picture of `size` (width, height); (0, 0): no tiles."""
    vision: Any = config.vision_config
    side = vision.image_size
    height, width = select_best_resolution(size[::-1], config.image_grid_pinpoints or [])
    return height // side, width // side


def tiles_of(size: tuple[int, int], config: LlavaOnevisionConfig) -> int:
    """Tiles that a picture is cut into, the thumbnail included.

    Args:
        size: width and height in pixels.
        config: names the grids and the tiles' side.
    """
    rows, columns = tile_grid(size, config)
    return rows * columns + 1


def image_tokens(size: tuple[int, int], config: LlavaOnevisionConfig) -> int:
    """Tokens that a picture takes in the prompt.

    Args:
        size: width and height in pixels.
        config: names the grids, the tiles' side and the patches'.
    """
    thumbnail = _patches(config) ** 2
    if tile_grid(size, config) == (0, 0):
        return thumbnail + 1
    rows, columns = _shrunk(_kept(size, config), config)
    return thumbnail + rows * (columns + 1)


def pack_tiles(
    features: Tensor, newline: Tensor, size: tuple[int, int], config: LlavaOnevisionConfig
) -> Tensor:
    """The image tokens [L, D] of one picture.

    Args:
        features: [tiles, P * P, D], the thumbnail first; pooled here where the config says so.
        newline: the learned vector at the end of each row, [D].
        size: (width, height) of the picture in pixels.
        config: of the model.
    """
    features = _pooled(features, config)
    thumbnail, tiles = features[0], features[1:]
    newline = newline.to(features)
    if len(tiles) == 0:
        return torch.cat([thumbnail, newline[None]])
    patches = _patches(config)
    grid = tiles.view(*tile_grid(size, config), patches, patches, -1)
    grid = grid.permute(4, 0, 2, 1, 3).flatten(1, 2).flatten(2, 3)
    height, width = _kept(size, config)
    top, left = (grid.size(1) - height) // 2, (grid.size(2) - width) // 2
    grid = grid[:, top : top + height, left : left + width]
    shape = _shrunk((height, width), config)
    if shape != (height, width):
        grid = F.interpolate(grid[None], shape, mode="bilinear")[0]
    ends = newline[:, None, None].expand(-1, grid.size(1), 1)
    rows = torch.cat([grid, ends], dim=2).flatten(1).T
    return torch.cat([thumbnail, rows])


def _patches(config: LlavaOnevisionConfig) -> int:
    """Patches along a side of a tile, pooled ones where tiles are pooled."""
    vision: Any = config.vision_config
    side = int(vision.image_size // vision.patch_size)
    pool = getattr(config, POOL, None)
    return side if pool is None else (side + (pool == "bilinear")) // 2


def _pooled(features: Tensor, config: LlavaOnevisionConfig) -> Tensor:
    """The features [tiles, P * P, D] of tiles, pooled as LaViDa does after the projector."""
    pool = getattr(config, POOL, None)
    if pool is None:
        return features
    vision: Any = config.vision_config
    side, to = int(vision.image_size // vision.patch_size), _patches(config)
    grid = features.transpose(1, 2).unflatten(2, (side, side))
    if pool == "bilinear":
        grid = F.interpolate(grid, (to, to), mode="bilinear")
    else:
        grid = (F.avg_pool2d if pool == "average" else F.max_pool2d)(grid, 2)
    return grid.flatten(2).transpose(1, 2)


def _kept(size: tuple[int, int], config: LlavaOnevisionConfig) -> tuple[int, int]:
    """Height and width of the grid in patches without the rows or columns that are padding.

    The official code cuts as much from either side, so an odd rest stays in.
    """
    width, height = size
    rows, columns = (tiles * _patches(config) for tiles in tile_grid(size, config))
    if width / height > columns / rows:
        filled = int(height * (columns / width))
        return rows - (rows - filled) // 2 * 2, columns
    filled = int(width * (rows / height))
    return rows, columns - (columns - filled) // 2 * 2


def _shrunk(shape: tuple[int, int], config: LlavaOnevisionConfig) -> tuple[int, int]:
    """`shape` scaled down to the area of as many tiles as `vision_aspect_ratio` allows; a plain
    "anyres" allows any number."""
    if config.vision_aspect_ratio == ANYRES:
        return shape
    tiles = int(config.vision_aspect_ratio.removeprefix(f"{ANYRES}_max_"))
    height, width = shape
    ratio = math.sqrt(height * width / (tiles * _patches(config) ** 2))
    if ratio <= SHRINK_ABOVE:
        return shape
    return int(height // ratio), int(width // ratio)
