"""A captioner of your own: anything that turns a picture into a text.

    rediff-eval run --task capture --limit 8 --plugin custom_captioner.py \\
      --model colours --model colours:plain
"""

from collections.abc import Sequence

from PIL import Image

from rediff import Capabilities, Caption, CaptionRequest, Decoding, Failure, register_captioner
from rediff.captioners.sources import Loading

COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 40, 40),
    "green": (50, 160, 70),
    "blue": (50, 90, 210),
    "yellow": (240, 210, 60),
}


class Colours:
    """Names the colour that fills most of a picture."""

    def __init__(self, style: str) -> None:
        self.style = style

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(kind="mean colour", length=8, sampler="none")

    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        return [Caption(self._describe(request.image), tokens=6, nfe=1) for request in requests]

    def _describe(self, image: Image.Image) -> str:
        pixel = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        assert isinstance(pixel, tuple)
        name = min(
            COLOURS, key=lambda n: sum((a - b) ** 2 for a, b in zip(COLOURS[n], pixel, strict=True))
        )
        return name if self.style == "plain" else f"the background is {name} ."

    def close(self) -> None:
        """Holds nothing."""


@register_captioner("colours")
def open_colours(where: str, loading: Loading) -> Colours:
    """`where`: what comes after `colours:`, here a style."""
    return Colours(where)
