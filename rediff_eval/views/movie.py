"""A caption as a moving picture: the image beside the words, a frame for each denoising step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from rediff_eval.sanitize import plain
from rediff_eval.views.trace_player import Place, replay

SIZE, MARGIN, PICTURE, LINE, FONT = (860, 300), 24, 220, 27, 17
STEP, LAST = 350, 3000
"""Milliseconds of a step, and of the last one."""
PAPER, INK, SOFT, BAD = "#fdfdfb", "#1c2024", "#a4abb2", "#b3261e"
BOXES = {"fixed": "#1d7a41", "broken": BAD, "revised": "#7a4fa3"}
WRITTEN = "#1f5fa8"
FORMATS = {".webp": "WEBP", ".gif": "GIF"}


def save_movie(trace: Mapping[str, Any], image: Image.Image, path: Path, *, title: str) -> None:
    """Writes the denoising steps of a caption as an endless animation.

    Args:
        trace: as `history` wrote it.
        image: the picture that is described.
        path: ends in `.webp` or `.gif`.
        title: a line above the words.

    Raises:
        ValueError: for another ending.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise ValueError(f"{path}: a movie is a {' or '.join(FORMATS)} file")
    frames = list(_frames(trace, image, title))
    durations = [STEP] * (len(frames) - 1) + [LAST]
    options = {"lossless": True} if form == "WEBP" else {"optimize": True}
    more = {"append_images": frames[1:], "duration": durations, "loop": 0}
    frames[0].save(path, format=form, save_all=True, **more, **options)


def _frames(trace: Mapping[str, Any], image: Image.Image, title: str) -> Iterator[Image.Image]:
    font = ImageFont.load_default(FONT)
    blank = Image.new("RGB", SIZE, PAPER)
    shown = image.convert("RGB")
    shown.thumbnail((PICTURE, PICTURE))
    blank.paste(shown, (MARGIN, MARGIN))
    states = [[Place()] * trace["length"], *replay(trace)]
    for step, places in enumerate(states):
        frame = blank.copy()
        draw = ImageDraw.Draw(frame)
        head = f"{plain(title)}    step {step} of {len(states) - 1}"
        draw.text((PICTURE + 2 * MARGIN, MARGIN - 4), head, SOFT, font)
        _write(draw, font, places, trace["truth"])
        yield frame


def _write(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    places: Sequence[Place],
    truth: Sequence[str] | None,
) -> None:
    """The words of a step, those that were revised in boxes, false ones underlined."""
    left = PICTURE + 2 * MARGIN
    x, y = left, MARGIN + LINE
    for number, place in enumerate(places):
        if place.word is not None and place.word.startswith("<|"):
            return
        word = "·" if place.word is None else plain(place.word)
        width = int(draw.textlength(word, font))
        if x + width > SIZE[0] - MARGIN:
            x, y = left, y + LINE
        box = BOXES.get(place.state)
        if box is not None:
            draw.rounded_rectangle((x - 3, y - 1, x + width + 3, y + FONT + 5), 4, fill=box)
        colour = {"masked": SOFT, "committed": WRITTEN}.get(place.state, INK)
        draw.text((x, y), word, PAPER if box else colour, font)
        if truth is not None and place.word is not None and truth[number] != place.word:
            draw.line((x, y + FONT + 6, x + width, y + FONT + 6), BAD, 2)
        x += width + 9
