"""The embedded scenes as samples, with questions and rivals where a task wants them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from rediff.scenes.corrupt import corrupt_scene
from rediff.scenes.dataset import WORLD_VERSION, scene_rows
from rediff.scenes.dialogues import FAMILIES, write_dialogue
from rediff.scenes.grammar import write_caption
from rediff.scenes.truth import true_texts
from rediff.scenes.world import Scene
from rediff_eval.benchmarks.questions import ask_about
from rediff_eval.benchmarks.sample import Rival, Sample, digest_of
from rediff_eval.benchmarks.task import SceneData

RIVALS = {"scenes-careful": 0.02, "scenes-casual": 0.1, "scenes-careless": 0.3}
"""Reference captioners of the scenes, and the share of the facts that each gets wrong."""


def scenes_name(data: SceneData) -> str:
    """The name of the data, by which rankings are separated."""
    extras = [name for name in ("questions", "rivals", "dialogues") if getattr(data, name)]
    return "-".join([f"scenes-{WORLD_VERSION}-{data.split}", *extras])


def scene_samples(data: SceneData, count: int) -> tuple[Sample, ...]:
    """The first scenes of a split; a sample is the same whatever the count."""
    rows = scene_rows(data.split, count, captions=data.captions)
    if not data.dialogues:
        return tuple(_sample(data, row) for row in rows)
    families = itertools.cycle(FAMILIES)
    return tuple(_asked_sample(row, family) for row, family in zip(rows, families, strict=False))


def _sample(data: SceneData, row: Mapping[str, Any]) -> Sample:
    scene, sample_id = Scene.from_json(row["scene"]), row["id"]
    return Sample(
        sample_id,
        _holding(row["image"]),
        _digest(row["scene"]),
        tuple(row["captions"]),
        scene,
        tuple(ask_about(scene, _generator("questions", sample_id))) if data.questions else (),
        write_as_rival(scene, _generator("rival", sample_id)) if data.rivals else None,
    )


def _asked_sample(row: Mapping[str, Any], family: str) -> Sample:
    """A sample with a dialogue, and as many true answers as the scene has captions."""
    scene, rng = Scene.from_json(row["scene"]), _generator("dialogue", row["id"])
    *dialogue, reply = write_dialogue(scene, family, rng)
    texts = true_texts(scene, dialogue)
    return Sample(
        f"{row['id']}-asked",
        _holding(row["image"]),
        _digest("\0".join([row["scene"], *dialogue])),
        (reply, *(texts.write(rng) for _ in row["captions"][1:])),
        scene,
        dialogue=tuple(dialogue),
    )


def _digest(text: str) -> str:
    return digest_of(f"{WORLD_VERSION} {text}".encode())


def write_as_rival(scene: Scene, rng: np.random.Generator) -> Rival:
    """A caption by one of `RIVALS`: a grammatical one of a scene that was misremembered."""
    model = list(RIVALS)[rng.integers(len(RIVALS))]
    return Rival(model, write_caption(corrupt_scene(scene, RIVALS[model], rng), rng))


def _generator(purpose: str, sample_id: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{purpose} {sample_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _holding(image: Image.Image) -> Callable[[], Image.Image]:
    return lambda: image
