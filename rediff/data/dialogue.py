"""Dialogues about a picture: questions and answers in turn, up to the answer that is asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

CAPTION_PROMPT = "Please describe the image in detail."
Dialogue = tuple[str, ...]
"""Questions and answers in turn; a question comes first and last."""


def turns_of(dialogue: Dialogue) -> Iterator[tuple[str, str]]:
    """The texts, each with the role of its speaker.

    Examples:
        >>> list(turns_of(("How many?", "Two.", "Which?")))
        [('user', 'How many?'), ('assistant', 'Two.'), ('user', 'Which?')]
    """
    assert len(dialogue) % 2
    return zip(itertools.cycle(("user", "assistant")), dialogue, strict=False)


def chat_messages(dialogue: Dialogue, picture: Mapping[str, Any]) -> list[Any]:
    """The turns in OpenAI's chat form.

    Args:
        dialogue: questions and answers in turn.
        picture: the part of a message that shows the picture, put in front of the first question.

    Returns:
        One message per turn, its content a list of parts.
    """
    messages: list[Any] = [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for role, text in turns_of(dialogue)
    ]
    messages[0]["content"].insert(0, picture)
    return messages
