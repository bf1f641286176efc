"""The word-level tokenizer of the embedded models, in LLaDA's chat format."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

START_OF_TEXT = "<|startoftext|>"
END_OF_TEXT = "<|endoftext|>"
MASK = "<|mdm_mask|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_OF_TURN = "<|eot_id|>"
IMAGE = "<image>"
UNKNOWN = "<|unknown|>"

SPECIAL_TOKENS = (
    START_OF_TEXT, END_OF_TEXT, MASK, START_HEADER, END_HEADER, END_OF_TURN, IMAGE, UNKNOWN,
)  # fmt: skip

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
