"""LLaDA's chat format: prompts as token ids, and the word-level tokenizer of the tiny models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from rediff.data.dialogue import Dialogue, turns_of

START_OF_TEXT = "<|startoftext|>"
END_OF_TEXT = "<|endoftext|>"
MASK = "<|mdm_mask|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_OF_TURN = "<|eot_id|>"
IMAGE = "<image>"
UNKNOWN = "<|unknown|>"

SPECIAL_TOKENS = (
    START_OF_TEXT,
    END_OF_TEXT,
    MASK,
    START_HEADER,
    END_HEADER,
    END_OF_TURN,
    IMAGE,
    UNKNOWN,
)

CHAT_TEMPLATE = (
    "{{ '" + START_OF_TEXT + "' }}"
    "{% for message in messages %}"
    "{{ '" + START_HEADER + "' + message['role'] + '" + END_HEADER + "' + '\\n\\n' }}"
    "{{ message['content'] + '" + END_OF_TURN + "' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '" + START_HEADER + "assistant" + END_HEADER + "' + '\\n\\n' }}"
    "{% endif %}"
)
"""LLaDA's turn format. Line breaks are part of the format but no token of a word-level model."""


def build_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """A fast tokenizer with one token a word: the special tokens first, then `words` in order.

    Spacing and case are not kept; decoding joins words by spaces and pulls commas and periods up.
    """
    vocab = {token: i for i, token in enumerate(dict.fromkeys((*SPECIAL_TOKENS, *words)))}
    backend = Tokenizer(WordLevel(vocab, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=START_OF_TEXT,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        mask_token=MASK,
        unk_token=UNKNOWN,
        additional_special_tokens=[START_HEADER, END_HEADER, IMAGE],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def chat_text(tokenizer: PreTrainedTokenizerFast, dialogue: Dialogue, system: str | None) -> str:
    """The turns up to the assistant's header, with one image token before the first question."""
    messages: list[dict[str, Any]] = [
        {"role": role, "content": text} for role, text in turns_of(dialogue)
    ]
    messages[0]["content"] = f"{IMAGE}\n{dialogue[0]}"
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))


def encode_whole(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """The text's tokens, the image token among them."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_around_image(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """The tokens of the text before and after its image token, encoded separately, as the
    official code does.

    The official code means to drop a start token that the tokenizer adds to every chunk. It tells
    by the first chunk's first token, which in this chat format is a start token in any case: with
    a tokenizer that adds none, the first token after the picture, a line break, is lost.
    """
    before, after = (tokenizer(chunk)["input_ids"] for chunk in text.split(IMAGE))
    added = before[:1] == [tokenizer.bos_token_id]
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    return [*before, image, *after[1 if added else 0 :]]
