"""Whether a text model reads from left to right, or every token sees every other.

A property of a checkpoint, kept in its config. It is read at every forward pass, so that the same
weights can be taken for either: autoregressive models and denoisers have one network.
"""

from __future__ import annotations

from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedConfig


def is_causal(model: LlavaOnevisionForConditionalGeneration) -> bool:
    """Whether the model reads left to right; LLaDA-V's text model does not."""
    return bool(getattr(model.config.text_config, "is_causal", True))


def set_causal(text: PreTrainedConfig, causal: bool) -> None:
    """Has a text model read in the one way or the other, from its next forward pass on.

    Args:
        text: its config, which is changed.
        causal: it reads left to right; otherwise every token sees every other.
    """
    setattr(text, "is_causal", causal)  # noqa: B010
