"""Drafts of a few words, with a tokenizer that has one token for each."""

from rediff.models.chat_format import build_tokenizer
from rediff.training.draft_records import Draft, pad_words

WORDS = ("a", "red", "blue", "square", "circle", "on", ".", "big", "user", "assistant")
TOKENIZER = build_tokenizer(WORDS)
TEXT = "a red square on a red circle ."


def draft_of(name: str, text: str = TEXT) -> Draft:
    return Draft(id=name, tokens_per_step=2, nfe=5, words=pad_words(text.split(), 12))
