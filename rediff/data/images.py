"""Opening pictures that come from outside."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""Formats that are opened. Pillow knows more, some of them by running other programs (EPS)."""
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
)
"""File name extensions of pictures; the format is read from the content (see `is_picture`)."""
HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\0", b"MM\0*")
"""How files of `FORMATS` begin; WebP's begin with "RIFF", a size and "WEBP"."""
SENT = frozenset({"PNG", "JPEG", "WEBP", "GIF"})
"""Formats that servers take as they are."""
LOSSY = frozenset({"JPEG", "MPO", "WEBP"})
"""MPO is a JPEG with further pictures, as telephones take them."""
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""The exceptions that Pillow's decoders raise for broken files."""


def open_image(path: Path) -> Image.Image:
    """A picture file as RGB, turned upright by its EXIF orientation; of several frames the first.

    Raises FileNotFoundError if the file does not exist, ValueError if it cannot be read as a
    picture of a known format or has more than `MAX_PIXELS` pixels; both name the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}")
    return _open(path, str(path))


def open_bytes(content: bytes, name: str) -> Image.Image:
    """The same from a file's bytes.

    Args:
        content: the bytes.
        name: the file's name in error messages.

    Raises:
        ValueError: as `open_image` does.
    """
    return _open(io.BytesIO(content), name)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of a picture file as `open_image` gives it, its pixels not read.

    Raises ValueError as `open_image` for bytes that are not a picture.
    """
    with _named(path, str(path)) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return image.size[::-1] if turned else image.size


def checked_size(path: Path) -> tuple[int, int]:
    """The same, once its pixels were read to the end, a JPEG's at an eighth of its size.

    Raises ValueError as `open_image`, also for one that is cut off.
    """
    size = image_size(path)
    with _named(path, str(path)) as image:
        if image.size[0] * image.size[1] > MAX_PIXELS:
            raise ValueError(f"{image.size[0]} x {image.size[1]} pixels, more than {MAX_PIXELS}")
        image.draft(None, (1, 1))
        image.load()
    return size


def is_picture(path: Path) -> bool:
    """Whether a file begins as one of `FORMATS` does. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith(HEADS) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


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

    Values deeper than 8 bits are scaled, where Pillow would clip them: 16 bits by their range,
    whole and real numbers beyond 255 by the greatest, real numbers within 0 and 1 by that.
    Transparent pixels are laid on white, as viewers of captions' pictures do.
    """
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
        scale = 65_535 if image.mode.startswith("I;16") else values.max(initial=0)
        if image.mode == "F" and scale <= 1:
            values, scale = values * 255, 255
        grey = values.clip(min=0) / scale * 255 if scale > 255 else values.clip(0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    upright = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), upright).convert("RGB")


def data_url(image: Image.Image, original: bytes | None = None) -> str:
    """A picture as a data URL, as servers take it.

    Args:
        image: the picture, turned upright and in a mode that can be shown.
        original: the bytes that it was opened from. They are sent as they are where servers see in
            them the same as in `image`; else the picture is sent as PNG, or as JPEG where the
            original was compressed with losses, too: a turned photograph would be ten times its
            size.

    Returns:
        `data:image/...;base64,...`.
    """
    form = None if original is None else _form(original)
    if form is not None and form.faithful:
        assert original is not None
        return _url(form.name, original)
    buffer = io.BytesIO()
    if form is not None and form.name in LOSSY:
        image.convert("RGB").save(buffer, format="JPEG", quality=95, subsampling=0)
        return _url("JPEG", buffer.getvalue())
    image.convert("RGB").save(buffer, format="PNG")
    return _url("PNG", buffer.getvalue())


@dataclass(frozen=True, slots=True)
class _Form:
    """The format of a picture's bytes. `faithful`: any viewer shows them as `open_image` does:
    they are upright, opaque, of one frame and of eight bits."""

    name: str
    faithful: bool


def _form(content: bytes) -> _Form:
    with _named(io.BytesIO(content), "picture") as image:
        name = image.format or ""
        faithful = (
            name in SENT
            and image.mode in ("1", "L", "P", "RGB")
            and image.getexif().get(ExifTags.Base.Orientation, 1) <= 1
            and not image.has_transparency_data
            and getattr(image, "n_frames", 1) == 1
        )
        return _Form(name, faithful)


def _url(form: str, content: bytes) -> str:
    return f"data:image/{form.lower()};base64,{base64.b64encode(content).decode()}"
