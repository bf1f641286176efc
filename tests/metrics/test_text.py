"""What is said of captions without references."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from programs import inside, numbers

from rediff_eval.metrics.text import repeated, words


def test_runs_are_counted_by_hand() -> None:
    text = words("A red star, and a red star. And a ring’s edge; a red star and 東京 x-ray")
    assert text[-4:] == ["star", "and", "東京", "x-ray"]
    runs = [" ".join(text[i : i + 4]) for i in range(len(text) - 3)]
    again = sum(run in runs[:i] for i, run in enumerate(runs))
    assert again == 3
    assert repeated(text) == pytest.approx(again / len(runs))


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=40))
def test_it_is_a_share(text: list[str]) -> None:
    share = repeated(text)
    assert 0 <= share < 1
    assert repeated([*text, *"wxyz"]) <= share or not share
    if len(text) > 4:
        assert repeated(text * 2) > share


def test_a_run_without_references_has_numbers(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(np.full((8, 8, 3), 80 * i, np.uint8)).save(tmp_path / f"{i}.png")
    inside("run", "--task", "captions", "--data", tmp_path, "--model", "control", "--steps", "10",
           "--out", tmp_path / "run")  # fmt: skip
    assert {"caption_words", "repeated"} <= {row["metric"] for row in numbers(tmp_path / "run")}
