"""A caption as a moving picture."""

from pathlib import Path

import pytest
from PIL import Image
from programs import inside

import rediff


@pytest.mark.parametrize("ending", ["webp", "gif"])
def test_a_frame_for_each_step(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"caption.{ending}"
    inside("caption", "scene:3", "--steps", "10", "--movie", path)
    steps = rediff.load("rediff").caption(rediff.scene(3).image, steps=10).nfe
    assert steps is not None
    with Image.open(path) as movie:
        assert getattr(movie, "n_frames", 1) == steps + 1, "the empty canvas, and each step"
        assert movie.info["loop"] == 0
        frames = []
        for number in (0, steps // 2, steps):
            movie.seek(number)
            frames.append(movie.convert("RGB").tobytes())
    assert len(set(frames)) == 3
    assert path.stat().st_size < 2_000_000
    again = tmp_path / "new" / f"again.{ending}"
    inside("caption", "scene:3", "--steps", "10", "--movie", again)
    assert again.read_bytes() == path.read_bytes()


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a movie is a \.webp or \.gif file"):
        inside("caption", "scene:3", "--steps", "4", "--movie", tmp_path / "caption.mp4")
