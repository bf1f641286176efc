"""Floating-point operations of a caption, by the sizes in a model's config.

A multiplication and an addition are two operations, as torch's own counter has it; matrix products
are counted, elementwise operations are not. Padding is not counted either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import LlavaOnevisionConfig

from rediff.models.anyres import tiles_of


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a text model for one row.

    `tokens`: positions that ran through its layers. `pairs`: (query, key) pairs of its attention,
    in one layer. `logits`: positions that ran through its head.
    """

    tokens: int = 0
    pairs: int = 0
    logits: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.tokens + other.tokens, self.pairs + other.pairs, self.logits + other.logits
        )

    @classmethod
    def of_pass(cls, queries: int, keys: int, logits: int) -> Work:
        """One forward pass.

        Args:
            queries: positions that are computed.
            keys: positions that they see, those that are kept among them.
            logits: positions whose logits are wanted.
        """
        return cls(queries, queries * keys, logits)


class Meter:
    """Adds up the work of each row of a batch."""

    def __init__(self, rows: int) -> None:
        self.rows = [Work()] * rows

    def add(self, row: int, work: Work) -> None:
        """Counts work for a row.

        Args:
            row: its number in the batch.
            work: the row's.
        """
        self.rows[row] += work


def text_flops(config: LlavaOnevisionConfig, work: Work) -> int:
    """Operations of the text model.

    A token takes 2 W in each layer, W its weights (projections of attention, gated feed-forward); a
    pair 4 H d, H heads of size d; a logit position 2 D V.

    Args:
        config: of the whole model.
        work: the row's.
    """
    text: Any = config.text_config
    width, heads, groups = text.hidden_size, text.num_attention_heads, text.num_key_value_heads
    size = getattr(text, "head_dim", None) or width // heads
    weights = 2 * width * size * (heads + groups) + 3 * width * text.intermediate_size
    layers = 2 * weights * work.tokens + 4 * heads * size * work.pairs
    return text.num_hidden_layers * layers + 2 * width * text.vocab_size * work.logits


def caption_flops(config: LlavaOnevisionConfig, work: Work, size: tuple[int, int]) -> int:
    """Operations of a caption, its picture's among them.

    Args:
        config: of the whole model.
        work: of the text model.
        size: of the picture, width and height in pixels.
    """
    return text_flops(config, work) + image_flops(config, tiles_of(size, config))


def image_flops(config: LlavaOnevisionConfig, tiles: int) -> int:
    """Operations of vision tower and projector.

    Args:
        config: of the whole model.
        tiles: of the picture, its thumbnail among them.
    """
    tower: Any = config.vision_config
    text: Any = config.text_config
    width, patches = tower.hidden_size, (tower.image_size // tower.patch_size) ** 2
    weights = 4 * width * width + 2 * width * tower.intermediate_size
    layer = 2 * weights * patches + 4 * width * patches * patches
    first = 2 * tower.num_channels * tower.patch_size**2 * width * patches
    projector = 2 * patches * text.hidden_size * (width + text.hidden_size)
    return tiles * (first + tower.num_hidden_layers * layer + projector)
