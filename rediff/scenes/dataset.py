"""The embedded world as a `datasets` data set."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator

import numpy as np
from datasets import Dataset, Features, Image, List, Value

from rediff.scenes.grammar import write_caption
from rediff.scenes.render import render
from rediff.scenes.world import Scene, sample_scene
from rediff.suggest import unknown

SPLITS = ("train", "validation", "test")
FEATURES = Features(
    {
        "id": Value("string"),
        "image": Image(),
        "captions": List(Value("string")),
        "scene": Value("string"),
    }
)
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


def load_scenes(split: str, count: int, *, captions: int = 1, seed: int = 0) -> Dataset:
    """The first `count` scenes of a split as rows of `FEATURES`.

    Each row has `captions` different paraphrases of the truth, drawn by a generator of its own, so
    that a row is the same whatever the count. Raises ValueError for an unknown split.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    rows = [
        _row(split, seed, index, scene, captions)
        for index, scene in enumerate(itertools.islice(iterate_scenes(split, seed=seed), count))
    ]
    columns = {name: [row[name] for row in rows] for name in FEATURES}
    return Dataset.from_dict(columns, features=FEATURES)


def _row(split: str, seed: int, index: int, scene: Scene, captions: int) -> dict[str, object]:
    rng = np.random.default_rng([SPLITS.index(split), seed, index])
    return {
        "id": f"scenes-{split}-{seed}-{index:05d}",
        "image": render(scene),
        "captions": [write_caption(scene, rng) for _ in range(captions)],
        "scene": scene.to_json(),
    }
