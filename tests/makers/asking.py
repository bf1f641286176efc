"""Caption requests about pictures."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from rediff.captioners.base import CaptionRequest
from rediff.data.dialogue import Dialogue


def about(
    images: Sequence[Image.Image],
    dialogues: Sequence[Dialogue] | None = None,
    ids: Sequence[str] | None = None,
) -> list[CaptionRequest]:
    """A request for each image, with a dialogue and an id each where these are given."""
    return [
        CaptionRequest(
            image=image,
            dialogue=None if dialogues is None else dialogues[number],
            id=str(number) if ids is None else ids[number],
        )
        for number, image in enumerate(images)
    ]
