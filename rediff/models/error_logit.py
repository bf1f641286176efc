"""The error logit: a model's own word on whether a visible token is wrong.

    P(token i is wrong | x, v, c) = sigmoid(logit of the mask's id at position i)

No target is ever the mask, so that this logit is free to say it, in every checkpoint of a masked
diffusion model and without a weight more (PRISM, arXiv 2510.01384, has a head for it). A model
says so only if it was trained to (`error_weight`): a property of a checkpoint, kept in its config
beside `is_causal`.
"""

from __future__ import annotations

from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration

ERRORS = "error_logit"
"""Name of the property in a text model's config; missing where the logit says nothing."""


def has_error_logit(model: LlavaOnevisionForConditionalGeneration) -> bool:
    """Whether the model was trained to say which visible tokens are wrong."""
    return bool(getattr(model.config.text_config, ERRORS, False))


def set_error_logit(model: LlavaOnevisionForConditionalGeneration, trained: bool) -> None:
    """Writes into the model's config whether it says which visible tokens are wrong.

    Args:
        model: whose config is changed.
        trained: whether it was trained to.
    """
    text = model.config.get_text_config()
    if trained:
        setattr(text, ERRORS, True)
    elif hasattr(text, ERRORS):
        delattr(text, ERRORS)


def doubts(model: LlavaOnevisionForConditionalGeneration, logits: Tensor, mask: int) -> Tensor:
    """The probability of each token to be wrong, float32 [b, R].

    Args:
        model: that gave the logits.
        logits: [b, R, V], at the tokens themselves.
        mask: id of the mask.

    Raises:
        ValueError: for a model that was not trained to say it.
    """
    if not has_error_logit(model):
        raise ValueError(
            "the model was not trained to say which of its words are wrong, as this sampler asks:"
            " 'error_weight' in a stage that revises does it"
        )
    return logits[..., mask].float().sigmoid()
