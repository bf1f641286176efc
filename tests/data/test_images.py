"""Pictures from outside: every mode, every orientation, and files made to do harm."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rediff.data.images import MAX_PIXELS, open_image, to_rgb

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8))
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, format=form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB",
             "HSV", "I", "I;16", "F"],
)  # fmt: skip
def test_every_mode_becomes_rgb(mode: str) -> None:
    via = {"PA": "P", "La": "LA", "RGBa": "RGBA", "HSV": "RGB", "I;16": "L"}.get(mode)
    start = PICTURE.convert(via) if via else PICTURE
    if mode == "LAB":
        start = Image.new("LAB", PICTURE.size, (128, 0, 0))
    rgb = to_rgb(start if start.mode == mode else start.convert(mode))
    assert (rgb.mode, rgb.size) == ("RGB", PICTURE.size)


@pytest.mark.parametrize(("kind", "white"), [(np.uint16, 65_535), (np.int32, 65_535)])
def test_sixteen_bits_are_scaled_not_cut_off(kind: type, white: int, tmp_path: Path) -> None:
    ramp = np.linspace(0, white, 256).astype(kind)[None].repeat(4, axis=0)
    Image.fromarray(ramp).save(tmp_path / "deep.tiff")
    grey = np.asarray(open_image(tmp_path / "deep.tiff"))[0, :, 0]
    assert np.abs(grey.astype(int) - np.arange(256)).max() <= 1


def test_real_numbers_between_0_and_1_are_no_black_picture() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    grey = np.asarray(to_rgb(Image.fromarray(ramp)))[0, :, 0]
    assert np.abs(grey.astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    PICTURE.save(tmp_path / "a.png", exif=exif)
    size = open_image(tmp_path / "a.png").size
    assert size == (PICTURE.size if orientation < 5 else PICTURE.size[::-1])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("side", [10_001, 20_000, 60_000])
def test_a_bomb_is_refused_before_it_goes_off(side: int, tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert side * side > MAX_PIXELS
    with pytest.raises(ValueError, match=r"bomb\.png"):
        open_image(path)


def test_postscript_is_not_even_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n")
    with pytest.raises(ValueError, match="no picture in a known format"):
        open_image(path)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"not a picture", b"\x00" * 100])
def test_what_is_no_picture_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.png"):
        open_image(tmp_path / "x.png")
    with pytest.raises(FileNotFoundError, match=r"no image file .*nowhere"):
        open_image(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures") / "hurt"


@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=12),
    st.floats(0.05, 1.0),
)
@settings(max_examples=400, deadline=None)
def test_a_damaged_file_is_a_picture_or_an_error(
    place: Path, form: str, changes: list[tuple[int, int]], kept: float
) -> None:
    content = bytearray(encoded(form))
    for position, value in changes:
        content[position % len(content)] = value
    place.write_bytes(content[: max(1, int(len(content) * kept))])
    assert outcome(place) in ("RGB", "an error that names the file")


def outcome(path: Path) -> str:
    try:
        return open_image(path).mode
    except ValueError as error:
        return "an error that names the file" if path.name in str(error) else str(error)
