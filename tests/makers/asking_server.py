"""What the tests ask a server."""

from typing import Any

import rediff
from rediff.data.images import data_url

QUESTION = "Please describe the image in detail."


def ask(picture: str | None, *texts: str) -> list[Any]:
    """A dialogue about a picture, as OpenAI's client takes it."""
    messages: list[Any] = [
        {"role": ("user", "assistant")[i % 2], "content": [{"type": "text", "text": text}]}
        for i, text in enumerate(texts or (QUESTION,))
    ]
    if picture is not None:
        messages[0]["content"].append({"type": "image_url", "image_url": {"url": picture}})
    return messages


def shown(number: int) -> str:
    return data_url(rediff.scene(number).image)
