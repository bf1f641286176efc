"""LaViDa as its authors publish it (arXiv 2505.16839), read into transformers' own classes.

Like LLaDA-V, LaViDa is a SigLIP tower, a projector and a text model without the causal mask. Its
tiles are pooled after the projector, and image and prompt do not see the response.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedTokenizerFast

from rediff.data.dialogue import turns_of
from rediff.models import llada_v
from rediff.models.chat_format import IMAGE, MASK
from rediff.models.config import CaptionerConfig
from rediff.models.lavida_config import dream_config, lavida_config
from rediff.models.official_format import PARTS, OfficialFormat, give_roles, read_raw

PROMPT = "Describe the image in detail."
CANVAS = 128
BLOCK = r"^model\.transformer\.blocks\.(\d+)\."
LAYER = r"model.language_model.layers.\1."

NAMES = {
    **PARTS,
    r"^model\.transformer\.wte\.": "model.language_model.embed_tokens.",
    r"^model\.transformer\.ln_f\.": "model.language_model.norm.",
    r"^model\.transformer\.ff_out\.": "lm_head.",
    rf"{BLOCK}attn_norm\.": rf"{LAYER}input_layernorm.",
    rf"{BLOCK}ff_norm\.": rf"{LAYER}post_attention_layernorm.",
    rf"{BLOCK}q_proj\.": rf"{LAYER}self_attn.q_proj.",
    rf"{BLOCK}k_proj\.": rf"{LAYER}self_attn.k_proj.",
    rf"{BLOCK}v_proj\.": rf"{LAYER}self_attn.v_proj.",
    rf"{BLOCK}attn_out\.": rf"{LAYER}self_attn.o_proj.",
    rf"{BLOCK}ff_proj\.": rf"{LAYER}mlp.gate_proj.",
    rf"{BLOCK}up_proj\.": rf"{LAYER}mlp.up_proj.",
    rf"{BLOCK}ff_out\.": rf"{LAYER}mlp.down_proj.",
}
"""LLaDA's tensor names to transformers' names."""

START_OF_TURN = "<|im_start|>"
END_OF_TURN = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"
DREAM_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '" + START_OF_TURN + "' + message['role'] + '\\n' }}"
    "{{ message['content'] + '" + END_OF_TURN + "\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + START_OF_TURN + "assistant\\n' }}{% endif %}"
)
"""Dream's turn format."""


def load_tokenizer(
    folder: Path, model: LlavaOnevisionForConditionalGeneration
) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder with LLaDA's text model; see `llada_v.load_tokenizer`.

    Raises ValueError also where its ids or its chat format are not those of the config and of
    LaViDa.
    """
    own = _read(folder).chat_template
    tokenizer = llada_v.load_tokenizer(folder, model)
    _check(folder, tokenizer, own, "mask_token_id", MASK)
    return tokenizer


def load_dream_tokenizer(
    folder: Path, model: LlavaOnevisionForConditionalGeneration
) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder with Dream's text model, with the roles that its tokens play here.

    Raises ValueError if a token of the chat format is missing, or ids or chat format are not those
    of the config and of LaViDa.
    """
    tokenizer = _read(folder)
    own = tokenizer.chat_template
    place = read_raw(folder).get("mask_token_id")
    mask = None if place is None else tokenizer.convert_ids_to_tokens(place)
    if mask is None:
        raise ValueError(
            f"{folder / 'config.json'}: mask_token_id {place} is not a token of the tokenizer"
        )
    roles = {"eos_token": END_OF_TURN, "pad_token": END_OF_TEXT, "mask_token": str(mask)}
    give_roles(tokenizer, folder, model, roles=roles, others=(START_OF_TURN,), image=IMAGE)
    tokenizer.chat_template = DREAM_TEMPLATE
    _check(folder, tokenizer, own, "pad_token_id", END_OF_TEXT)
    return tokenizer


def _check(
    folder: Path, tokenizer: PreTrainedTokenizerFast, own: Any, key: str, token: str
) -> None:
    """Raises ValueError if a token has another id than the config's `key` says, or the folder's
    own chat template writes another prompt than LaViDa's authors do."""
    place, wanted = tokenizer.convert_tokens_to_ids(token), read_raw(folder).get(key)
    if wanted not in (None, place):
        raise ValueError(
            f"{folder}: {token} is id {place} of the tokenizer, but config.json says {key} {wanted}"
        )
    if own is None:
        return
    messages: list[dict[str, Any]] = [
        {"role": role, "content": text} for role, text in turns_of(("one", "two", "three"))
    ]
    messages.insert(0, {"role": "system", "content": "zero"})
    theirs, ours = (
        tokenizer.apply_chat_template(
            messages, chat_template=template, add_generation_prompt=True, tokenize=False
        )
        for template in (own, tokenizer.chat_template)
    )
    if theirs != ours:
        raise ValueError(
            f"{folder}: its chat template writes {theirs!r}, LaViDa's authors {ours!r}; take the"
            " template away to have LaViDa's"
        )


def _read(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder. Raises ValueError where it is written in Python."""
    if not (folder / "tokenizer.json").is_file():
        raise ValueError(
            f"{folder} has no tokenizer.json: write one from the tokenizer that its authors use"
            " (tokenizers: Tokenizer.save), and put it there"
        )
    return PreTrainedTokenizerFast.from_pretrained(folder)


LAVIDA = OfficialFormat(
    name="LaViDa",
    names=NAMES,
    make_config=lavida_config,
    load_tokenizer=load_tokenizer,
    card=CaptionerConfig(
        kind="diffusion",
        canvas=CANVAS,
        sampler="lavida-official",
        prompt=PROMPT,
        system=llada_v.SYSTEM,
        around_image=True,
        dtype="bfloat16",
    ),
    bfloat16_newline=True,
)

LAVIDA_DREAM = OfficialFormat(
    name="LaViDa-Dream",
    names=PARTS,
    make_config=dream_config,
    load_tokenizer=load_dream_tokenizer,
    card=LAVIDA.card.model_copy(update={"sampler": "lavida-dream-official"}),
    bfloat16_newline=True,
)
