"""A LLaDA-V in miniature: transformers' own classes, small enough to train on a laptop.

The shape is LLaDA-V's (a SigLIP tower, a two-layer projector, a Llama without the causal mask);
only the sizes differ, and pictures are seen whole, without tiles.
"""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict
from transformers import (
    LlamaConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
)

from rediff.models.causal import set_causal
from rediff.models.chat_format import IMAGE
from rediff.models.prefix_attention import set_prefix_attention

NO_TILES = [[0, 0]]
"""Grid pinpoints under which Llava-OneVision keeps the whole picture as its only tile."""


class TinyConfig(BaseModel):
    """Sizes of the embedded model.

    `prefix_attention`: image and prompt do not see the response (see `prefix_attention.py`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 384
    vision_hidden: int = 96
    vision_layers: int = 2
    vision_feed_forward: int = 192
    image_size: int = 72
    patch_size: int = 24
    prefix_attention: bool = False

    @property
    def image_tokens(self) -> int:
        """Tokens that a picture takes in the prompt: its patches and one newline vector."""
        return (self.image_size // self.patch_size) ** 2 + 1


def vision_config(config: TinyConfig) -> SiglipVisionConfig:
    return SiglipVisionConfig(
        hidden_size=config.vision_hidden,
        intermediate_size=config.vision_feed_forward,
        num_hidden_layers=config.vision_layers,
        num_attention_heads=config.heads,
        image_size=config.image_size,
        patch_size=config.patch_size,
        vision_use_head=False,
    )


def build_model(
    config: TinyConfig, tokenizer: PreTrainedTokenizerFast, *, causal: bool
) -> LlavaOnevisionForConditionalGeneration:
    """A freshly initialised model, drawn from torch's global generator.

    Args:
        config: its sizes.
        tokenizer: gives the vocabulary and the special ids.
        causal: False gives the bidirectional denoiser, True the autoregressive captioner.
    """
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden,
        intermediate_size=config.feed_forward,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    set_causal(text, causal)
    if config.prefix_attention and not causal:
        set_prefix_attention(text)
    model = LlavaOnevisionForConditionalGeneration(
        LlavaOnevisionConfig(
            vision_config=vision_config(config).to_dict(),
            text_config=text.to_dict(),
            image_token_index=tokenizer.vocab[IMAGE],
            image_grid_pinpoints=NO_TILES,
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
            tie_word_embeddings=False,
        )
    )
    initialise(model)
    return model


@torch.no_grad()
def initialise(model: torch.nn.Module) -> None:
    """Weights with standard deviation 1/sqrt(fan-in), embeddings near unit size.

    At this width the customary 0.02 makes the first layers nearly silent: nothing is grounded in
    the picture for thousands of steps.
    """
    for name, parameter in model.named_parameters():
        if "lm_head" in name:
            parameter.normal_(0, 0.5 / math.sqrt(parameter.size(1)))
        elif "embed_tokens" in name or "image_newline" in name:
            parameter.normal_(0, 0.7)
        elif "position_embedding" in name:
            parameter.normal_(0, 0.3)
        elif parameter.ndim >= 2:
            parameter.normal_(0, 1 / math.sqrt(parameter[0].numel()))
