"""LLaDA-V and ReDiff as their authors publish them, read into transformers' own classes.

LLaDA-V is a SigLIP tower, a two-layer projector and a Llama without the causal mask, which is
`LlavaOnevisionForConditionalGeneration` under other names. Nothing of the authors' code is run.
"""

from __future__ import annotations

from pathlib import Path

from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedTokenizerFast

from rediff.models.chat_format import (
    CHAT_TEMPLATE,
    END_HEADER,
    END_OF_TEXT,
    END_OF_TURN,
    IMAGE,
    MASK,
    START_HEADER,
    START_OF_TEXT,
)
from rediff.models.config import CaptionerConfig
from rediff.models.llada_v_config import model_config
from rediff.models.official_format import PARTS, OfficialFormat, give_roles

SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual "
    "content that the user provides, and assist the user with a variety of tasks using natural "
    "language."
)
"""The system message that the models were trained with: part of their prompt format."""
CANVAS = 128


def load_tokenizer(
    folder: Path, model: LlavaOnevisionForConditionalGeneration
) -> PreTrainedTokenizerFast:
    """The tokenizer of an official folder, with the roles that its tokens play here.

    An image token is added where there is none, and `model` told its id. Raises ValueError if a
    token of the chat format is missing or the embeddings have no row for the image token.
    """
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    roles = {
        "bos_token": START_OF_TEXT,
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_TEXT,
        "mask_token": MASK,
    }
    others = (START_HEADER, END_HEADER)
    give_roles(tokenizer, folder, model, roles=roles, others=others, image=IMAGE)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


LLADA_V = OfficialFormat(
    name="LLaDA-V",
    names=PARTS,
    make_config=model_config,
    load_tokenizer=load_tokenizer,
    card=CaptionerConfig(
        kind="diffusion",
        canvas=CANVAS,
        sampler="rediff-official",
        system=SYSTEM,
        around_image=True,
        dtype="float16",
    ),
)
