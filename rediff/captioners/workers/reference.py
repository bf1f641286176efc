"""The smallest worker that does something: it names the colour that fills most of a picture.

    python reference.py

Needs Pillow. Copy it to write a worker of your own.
"""

from __future__ import annotations

from PIL import Image
from protocol import Hello, Reply, Request, serve

COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 40, 40),
    "green": (50, 160, 70),
    "blue": (50, 90, 210),
    "yellow": (240, 210, 60),
}


def caption(request: Request) -> Reply:
    with Image.open(request.image) as image:
        pixel = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    distances = {
        name: sum((a - b) ** 2 for a, b in zip(colour, pixel, strict=True))
        for name, colour in COLOURS.items()
    }
    nearest = min(distances, key=lambda name: distances[name])
    text = f"the picture is mostly {nearest}."
    return {"caption": text, "tokens": len(text.split()), "nfe": 1, "truncated": False}


if __name__ == "__main__":
    serve(Hello(name="reference", kind="mean colour", length=8), caption)
