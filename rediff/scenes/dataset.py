"""The embedded world as a `datasets` data set."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rediff.io.suggest import unknown
from rediff.scenes.grammar import write_caption
from rediff.scenes.render import render
from rediff.scenes.world import Scene, sample_scene

if TYPE_CHECKING:
    import datasets

SPLITS = ("train", "validation", "test")
WORLD_VERSION = 1
"""Goes up whenever the same seed would give other scenes, pictures, captions or dialogues."""


def split_of(scene: Scene) -> str:
    """The one split that a scene can be in, by a hash of the scene itself: 80, 10 and 10 %.

    No scene of one split can thus be drawn in another, whatever the seeds and sizes.
    """
    bucket = zlib.crc32(scene.to_json().encode()) % 10
    return SPLITS[max(0, bucket - 7)]


def iterate_scenes(split: str, *, seed: int = 0) -> Iterator[Scene]:
    """Endless distinct scenes of a split, in the order that the seed fixes."""
    rng = np.random.default_rng([SPLITS.index(split), seed])
    seen: set[Scene] = set()
    while True:
        scene = sample_scene(rng)
        if scene not in seen and split_of(scene) == split:
            seen.add(scene)
            yield scene


def scene_rows(split: str, count: int, *, captions: int = 1, seed: int = 0) -> list[dict[str, Any]]:
    """The first scenes of a split, as plain rows.

    Args:
        split: `train`, `validation` or `test`.
        count: how many scenes.
        captions: how many different paraphrases of the truth each row has, drawn by a generator of
            its own, so that a row is the same whatever the count.
        seed: fixes the order of the scenes.

    Returns:
        Rows with `id`, `image`, `captions` and `scene` (JSON).

    Raises:
        ValueError: for an unknown split.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    return [
        _row(split, seed, index, scene, captions)
        for index, scene in enumerate(itertools.islice(iterate_scenes(split, seed=seed), count))
    ]


def load_scenes(split: str, count: int, *, captions: int = 1, seed: int = 0) -> datasets.Dataset:
    """The same as a `datasets` data set, pictures as PNG.

    Args:
        split: `train`, `validation` or `test`.
        count: how many scenes.
        captions: how many paraphrases each row has.
        seed: fixes the order of the scenes.

    Raises:
        ValueError: as `scene_rows` does.
    """
    from datasets import Dataset, Features, Image, List, Value

    features = Features(
        {
            "id": Value("string"),
            "image": Image(),
            "captions": List(Value("string")),
            "scene": Value("string"),
        }
    )
    rows = scene_rows(split, count, captions=captions, seed=seed)
    columns = {name: [row[name] for row in rows] for name in features}
    return Dataset.from_dict(columns, features=features)


def _row(split: str, seed: int, index: int, scene: Scene, captions: int) -> dict[str, Any]:
    rng = np.random.default_rng([SPLITS.index(split), seed, index])
    return {
        "id": f"scenes-{split}-{seed}-{index:05d}",
        "image": render(scene),
        "captions": [write_caption(scene, rng) for _ in range(captions)],
        "scene": scene.to_json(),
    }
