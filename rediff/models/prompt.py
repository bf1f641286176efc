"""Prompts as token ids."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerFast

from rediff.captioners.base import Said, turns_of
from rediff.models.chat_format import IMAGE


def chat_text(tokenizer: PreTrainedTokenizerFast, said: Said, system: str | None) -> str:
    """The turns up to the assistant's header, with one image token before the first question."""
    messages: list[dict[str, Any]] = [
        {"role": role, "content": text} for role, text in turns_of(said)
    ]
    messages[0]["content"] = f"{IMAGE}\n{said[0]}"
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))


def encode_whole(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """The text's tokens, the image token among them."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_around_image(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """The tokens of the text before and behind its image token, encoded apart, as official.

    The official code means to drop a start token that the tokenizer adds to every chunk. It tells
    by the first chunk's first token, which in this chat format is a start token in any case: with
    a tokenizer that adds none, the first token behind the picture, a line break, is lost.
    """
    before, behind = (tokenizer(chunk)["input_ids"] for chunk in text.split(IMAGE))
    added = before[:1] == [tokenizer.bos_token_id]
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    return [*before, image, *behind[1 if added else 0 :]]
