"""Splits are fixed, disjoint, and the same however many rows are asked for."""

import itertools

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from rediff.scenes.dataset import SPLITS, iterate_scenes, load_scenes, split_of
from rediff.scenes.render import CELL, RGB, render
from rediff.scenes.world import BACKGROUNDS, COLUMNS, ROWS, Scene, Thing


def test_rows_are_an_ordinary_data_set() -> None:
    rows = load_scenes("test", 3, captions=2)
    assert isinstance(rows, Dataset)
    assert list(rows.features) == ["id", "image", "captions", "scene"]
    assert isinstance(rows[0]["image"], Image.Image)
    assert len(rows[0]["captions"]) == 2
    assert Scene.from_json(rows[0]["scene"]).graph().objects


def test_splits_share_no_scene_whatever_the_seed() -> None:
    drawn = {
        split: {
            s for seed in (0, 1) for s in itertools.islice(iterate_scenes(split, seed=seed), 300)
        }
        for split in SPLITS
    }
    for a, b in itertools.combinations(SPLITS, 2):
        assert not drawn[a] & drawn[b]
    for split, scenes in drawn.items():
        assert {split_of(scene) for scene in scenes} == {split}


def test_a_row_does_not_depend_on_the_count() -> None:
    few, more = load_scenes("validation", 2, captions=3), load_scenes("validation", 5, captions=3)
    for name in ("id", "captions", "scene"):
        assert few[name][:] == more[name][:2]
    assert np.array_equal(few[1]["image"], more[1]["image"])


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown split 'dev'"):
        load_scenes("dev", 1)


def test_things_are_drawn_in_their_cells_and_colours() -> None:
    for row, column in itertools.product(ROWS, COLUMNS):
        thing = Thing("square", "red", "large", "plain", row, column)
        pixels = np.asarray(render(Scene((thing,), "white")))
        y, x = ROWS.index(row) * CELL + CELL // 2, COLUMNS.index(column) * CELL + CELL // 2
        assert tuple(pixels[y, x]) == RGB["red"]
        painted = (pixels != RGB["white"]).any(axis=-1)
        assert (
            painted[ROWS.index(row) * CELL :][:CELL, COLUMNS.index(column) * CELL :][:, :CELL].sum()
            == painted.sum()
        )


def test_backgrounds_differ() -> None:
    assert len({render(Scene((), name)).getpixel((0, 0)) for name in BACKGROUNDS}) == 4
