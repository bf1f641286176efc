"""Whether a text model reads from left to right, or every token sees every other.

A property of a checkpoint, kept in its config. It is read at every forward pass, so that the same
weights can be taken for either: autoregressive models and denoisers have one network.
"""

from __future__ import annotations

from transformers import LlavaOnevisionForConditionalGeneration


def is_causal(model: LlavaOnevisionForConditionalGeneration) -> bool:
    """Whether the model reads left to right; LLaDA-V's text model does not."""
    return bool(getattr(model.config.text_config, "is_causal", True))


def set_causal(model: LlavaOnevisionForConditionalGeneration, causal: bool) -> None:
    """Has a model, as it is, read in the one way or the other.

    Args:
        model: what is changed, in its config alone.
        causal: it reads left to right; otherwise every token sees every other.
    """
    assert model.model.language_model.config is model.config.text_config
    setattr(model.config.text_config, "is_causal", causal)  # noqa: B010
