"""Opening pictures that come from outside."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""What is opened. Pillow knows more, some of it by running other programs (EPS)."""
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, OverflowError,
    struct.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow's decoders raise for broken files."""


def open_image(path: Path) -> Image.Image:
    """A picture file as RGB, turned upright by its EXIF orientation; of several frames the first.

    Raises FileNotFoundError if there is no such file, ValueError if it cannot be read as a
    picture of a known format or has more than `MAX_PIXELS` pixels; both name the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}")
    return _open(path, str(path))


def open_bytes(content: bytes, name: str) -> Image.Image:
    """The same from a file's bytes; errors call it by `name`."""
    return _open(io.BytesIO(content), name)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of a picture file as `open_image` gives it, its pixels not read.

    Raises ValueError as `open_image` for what is no picture.
    """
    with _named(path, str(path)) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return image.size[::-1] if turned else image.size


def _open(source: Path | IO[bytes], name: str) -> Image.Image:
    with _named(source, name) as image:
        width, height = image.size
        if width * height <= MAX_PIXELS:
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    raise ValueError(f"{name}: {width} x {height} pixels, more than {MAX_PIXELS}")


@contextmanager
def _named(source: Path | IO[bytes], name: str) -> Iterator[Image.Image]:
    """An opened picture; whatever its decoder raises is a ValueError that names it."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            yield image
    except UnidentifiedImageError as error:
        raise ValueError(f"{name}: no picture in a known format ({', '.join(FORMATS)})") from error
    except BROKEN as error:
        raise ValueError(f"{name}: not a readable image: {error}") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode as RGB.

    What is deeper than 8 bits is scaled, where Pillow would cut it off: 16 bits by their range,
    whole and real numbers beyond 255 by the greatest, real numbers within 0 and 1 by that.
    Transparency is dropped, the colours behind it stay.
    """
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
        scale = 65_535 if image.mode.startswith("I;16") else values.max(initial=0)
        if image.mode == "F" and scale <= 1:
            values, scale = values * 255, 255
        grey = values.clip(min=0) / scale * 255 if scale > 255 else values.clip(0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    return (image.convert("LA") if image.mode == "La" else image).convert("RGB")


def data_url(image: Image.Image) -> str:
    """A picture as a PNG data URL."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
