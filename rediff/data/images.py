"""Opening pictures that come from outside."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

MAX_PIXELS = 100_000_000
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def open_image(path: Path) -> Image.Image:
    """A picture file as RGB, turned upright by its EXIF orientation.

    Raises FileNotFoundError if there is no such file, ValueError if it cannot be read as a
    picture or has more than `MAX_PIXELS` pixels; both name the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(
                    f"{path}: {image.width} x {image.height} pixels, more than {MAX_PIXELS}"
                )
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable image: {error}") from error
