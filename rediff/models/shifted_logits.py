"""Shifted logits: a position is predicted by the logits of the one before it.

Dream's text model was trained left to right first and keeps that habit (LaViDa-Dream). The first
position of the response is predicted at the last one of the prompt. It is a property of a
checkpoint, kept in its config beside `is_causal`.
"""

from __future__ import annotations

from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedConfig

SHIFTED = "shifted_logits"
"""Name of the property in a text model's config; missing where nothing is shifted."""


def has_shifted_logits(model: LlavaOnevisionForConditionalGeneration) -> bool:
    """Whether a position is predicted by the logits of the one before it."""
    return bool(getattr(model.config.text_config, SHIFTED, False))


def set_shifted_logits(text: PreTrainedConfig) -> None:
    """Writes into a text model's config that its logits are those of the next position."""
    setattr(text, SHIFTED, True)
