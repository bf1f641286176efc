"""A pass in which a mask beside each position of the response predicts the token of that place.

WINO's shadow block (arXiv 2507.18578): the masks have the positions of the tokens, and each sees
image, prompt, itself and all tokens but the one in its place; nothing else sees the masks. Image
and prompt are computed with them, whatever is kept of them otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration
from transformers.masking_utils import create_bidirectional_mask

from rediff.models.conditioning import PromptEmbeddings, padding
from rediff.models.flops import Meter, Work
from rediff.models.prompt_cache import embed, text_logits
from rediff.models.shifted_logits import has_shifted_logits


def leave_one_out_logits(
    model: LlavaOnevisionForConditionalGeneration,
    prompt: PromptEmbeddings,
    tokens: Tensor,
    rows: Tensor,
    meter: Meter,
    *,
    mask: int,
    prefix: bool,
) -> Tensor:
    """Logits [b, 2R, V] of the tokens, then of the masks in their places.

    Args:
        model: its text model is run.
        prompt: of the whole batch.
        tokens: of the response, int64 [b, R].
        rows: numbers of the rows that are computed, int64 [b].
        meter: counts the work.
        mask: id of the mask.
        prefix: whether image and prompt do not see the response.

    Raises:
        ValueError: for a model with shifted logits, whose positions are predicted elsewhere.
    """
    if has_shifted_logits(model):
        raise ValueError("a model with shifted logits has no leave-one-out pass")
    own, response = prompt.rows(rows), tokens.size(1)
    both = torch.cat([tokens, torch.full_like(tokens, mask)], dim=1)
    embeddings = torch.cat([own.embeddings, embed(model, both)], dim=1)
    start = own.embeddings.size(1)
    end = start + response

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        of_mask = (key == query) | ((key < end) & (key != query - response))
        of_token = (key < end) & ((key < start) | (query >= start) | (not prefix))
        return torch.where(query >= end, of_mask, of_token)

    total = end + response
    places = padding(own.lengths + 2 * response, total)
    attention = create_bidirectional_mask(
        model.config.get_text_config(),
        embeddings,
        places.get("attention_mask"),
        and_mask_function=sees,
    )
    assert isinstance(attention, Tensor)
    position = torch.arange(total, device=embeddings.device) - (start - own.lengths)[:, None]
    position[:, end:] -= response
    for number in rows.tolist():
        positions = prompt.sizes[number] + 2 * response
        meter.add(number, Work.of_pass(positions, positions, 2 * response))
    return text_logits(
        model,
        embeddings,
        keep=2 * response,
        attention_mask=attention,
        position_ids=position.clamp(min=0),
    )
