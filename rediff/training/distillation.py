"""Distillation: a model's answers as training data, in place of the true ones.

The student learns which of many right answers the teacher would give. Words that are written side
by side fit together if there is one such answer, and clash if there are many. This is
sequence-level knowledge distillation (arXiv 1606.07947, section 3.2), which non-autoregressive
translation depends on (arXiv 1711.02281, section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from rediff.training.draft_records import Draft
from rediff.training.edits import END
from rediff.training.items import Item


class Speller(Protocol):
    """The methods of a tokenizer that are used here."""

    unk_token: Any

    @property
    def all_special_tokens(self) -> list[str]: ...
    def convert_tokens_to_ids(self, tokens: list[str]) -> Any: ...
    def tokenize(self, text: str) -> list[str]: ...
    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> Any: ...


def drafts_as_answers(
    drafts: Sequence[Draft], items: Mapping[str, Item], tokenizer: Speller
) -> tuple[list[Item], dict[str, list[str]]]:
    """An item for each draft: its picture, and the draft in place of the true answer.

    The true one stays where a draft cannot be learnt: it fills its canvas and so has not ended, it
    says nothing, it has a special token, or its text has words that the tokenizer does not know
    (".." of a vocabulary of whole words).

    Args:
        drafts: as a model wrote them.
        items: of their pictures, by id.
        tokenizer: of that model.

    Returns:
        The items; and by the reason the ids of those whose true answer stays.
    """
    made, kept = list[Item](), dict[str, list[str]]()
    for draft in drafts:
        item, dialogue = items[draft.id], items[draft.id].dialogues[draft.dialogue]
        words = [word for word in draft.words if word != END]
        text = tokenizer.decode(tokenizer.convert_tokens_to_ids(words), skip_special_tokens=True)
        reason = _fault(draft, words, text, tokenizer)
        if reason is None:
            answered = (*dialogue[:-1], replace(dialogue[-1], answer=text))
            made.append(replace(item, dialogues=(answered,), asked=0, edits=()))
        else:
            kept.setdefault(reason, []).append(draft.id)
            made.append(replace(item, dialogues=(dialogue,), asked=0))
    return made, kept


def _fault(draft: Draft, words: list[str], text: str, tokenizer: Speller) -> str | None:
    """Why a draft cannot be learnt; None where it can."""
    if END not in draft.words:
        return "it did not end within its canvas"
    if not text.strip():
        return "it says nothing"
    if set(words) & set(tokenizer.all_special_tokens):
        return "it has a special token"
    if tokenizer.unk_token in tokenizer.tokenize(text):
        return "its text has a token that the tokenizer does not know"
    return None
