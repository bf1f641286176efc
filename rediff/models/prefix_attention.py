"""Full and prefix attention: whether image and prompt see the response.

Under full attention, LLaDA-V's, every token sees every other, so image and prompt change with each
word of the response. Under prefix attention (LaViDa, arXiv 2505.16839) image and
prompt do not see the response, the response sees all: their keys and values are the same in every
step. It is a property of a checkpoint, kept in its config beside `is_causal`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedConfig
from transformers.masking_utils import create_bidirectional_mask

from rediff.models.causal import is_causal
from rediff.models.conditioning import padding

PREFIX = "prefix_attention"
"""Name of the property in a text model's config; missing where attention is full. An autoregressive
model may have it, for the denoiser that starts from its weights."""


def has_prefix_attention(model: LlavaOnevisionForConditionalGeneration) -> bool:
    """Whether image and prompt do not see the response, and the response sees all."""
    return not is_causal(model) and bool(getattr(model.config.text_config, PREFIX, False))


def set_prefix_attention(text: PreTrainedConfig) -> None:
    """Writes into a text model's config that image and prompt do not see the response."""
    setattr(text, PREFIX, True)


@contextmanager
def under_prefix_attention(model: LlavaOnevisionForConditionalGeneration) -> Iterator[None]:
    """Within, image and prompt do not see the response; afterwards the property is as before."""
    text = model.config.get_text_config()
    before = getattr(text, PREFIX, None)
    set_prefix_attention(text)
    try:
        yield
    finally:
        if before is None:
            delattr(text, PREFIX)
        else:
            setattr(text, PREFIX, before)


def attention(
    model: LlavaOnevisionForConditionalGeneration,
    embeddings: Tensor,
    lengths: Tensor,
    response: int,
    *,
    full: bool = False,
) -> dict[str, Tensor]:
    """Attention mask and positions for prompts with their responses, as the model wants them.

    Args:
        model: of full or of prefix attention.
        embeddings: of prompts and responses, padded on the left; [B, T, D].
        lengths: of the rows without padding, int64 [B].
        response: how many positions at the end are the response.
        full: image and prompt see the response, whatever the model's property says.

    Returns:
        Arguments of the model. Under prefix attention a mask [B, 1, T, T].
    """
    total = embeddings.size(1)
    found = padding(lengths, total)
    if full or not has_prefix_attention(model):
        return found
    start = total - response

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= start) | (key < start)

    text = model.config.get_text_config()
    mask = create_bidirectional_mask(
        text, embeddings, found.get("attention_mask"), and_mask_function=sees
    )
    assert isinstance(mask, Tensor)
    return {**found, "attention_mask": mask}
