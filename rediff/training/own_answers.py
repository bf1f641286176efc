"""A model's own answers as training data, in place of the true ones.

What is learnt is then which of many right answers this model would give. Words that are written
side by side fit together when there is one such answer, and not when there are many: sequence-level
distillation (arXiv 1606.07947, section 3.2), which translation in parallel lives by (arXiv
1711.02281, section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from rediff.training.draft_records import Draft
from rediff.training.edits import END
from rediff.training.items import Item


class Speller(Protocol):
    """What is used of a tokenizer."""

    unk_token: Any

    def convert_tokens_to_ids(self, tokens: list[str]) -> Any: ...
    def tokenize(self, text: str) -> list[str]: ...
    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> Any: ...


def own_answers(
    drafts: Sequence[Draft], items: Mapping[str, Item], tokenizer: Speller
) -> list[Item]:
    """An item for each draft: its picture, and the draft in place of the true answer.

    Left out are drafts that fill their canvas, which have not ended, and those whose text the
    tokenizer does not know (".." of a vocabulary of whole words).

    Args:
        drafts: as a model wrote them.
        items: of their pictures, by id.
        tokenizer: of that model.
    """
    ended = (draft for draft in drafts if END in draft.words)
    told = (_answered(items[draft.id], draft, tokenizer) for draft in ended)
    return [item for item in told if _known(item, tokenizer)]


def _answered(item: Item, draft: Draft, tokenizer: Speller) -> Item:
    *before, last = item.dialogues[draft.dialogue]
    ids = tokenizer.convert_tokens_to_ids([word for word in draft.words if word != END])
    text = tokenizer.decode(ids, skip_special_tokens=True)
    return replace(item, dialogues=((*before, replace(last, answer=text)),), asked=0)


def _known(item: Item, tokenizer: Speller) -> bool:
    return tokenizer.unk_token not in tokenizer.tokenize(item.dialogues[0][-1].answer)
