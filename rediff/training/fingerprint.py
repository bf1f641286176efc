"""Fingerprints, which tell whether a stage's folder was made by the settings of a recipe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rediff.training.recipe import Recipe
from rediff.training.stages.base import Stage, needs
from rediff.training.stages.experts.settings import RUNTIME_ONLY

DONE = "stage.json"
ADDED_SETTINGS = (
    "prefix_attention",
    "validation",
    "tokenizer",
    "skip",
    "ties",
    "weight_decay",
    "repetition_rate",
    "facts_share",
    "self_drafts",
    "error_weight",
)
"""Settings that older folders lack: off is the same as absent."""


def fingerprint(name: str, recipe: Recipe) -> str:
    """A hash of all that a stage's output depends on: its settings and those of all it needs."""
    stage = recipe.stages[name]
    parts = {
        "canvas": recipe.canvas,
        **{k: v for section in recipe.sections.values() for k, v in section.identity().items()},
        "model": _given(recipe.model.model_dump(mode="json")),
        "stage": _given(
            stage.model_dump(mode="json", exclude={"server": _left_out(stage), "folder": True})
        ),
        "needs": [fingerprint(need, recipe) for need in needs(stage)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings, and those below them, without those of `ADDED_SETTINGS` that are off."""
    return {
        name: _given(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if name not in ADDED_SETTINGS or value
    }


def _left_out(stage: Stage) -> set[str]:
    """Settings of a server that are not part of a fingerprint; a limit that is not set neither, as
    it was before there was one."""
    server = getattr(stage, "server", None)
    return RUNTIME_ONLY | ({"max_tokens"} if server and server.max_tokens is None else set())


def is_done(name: str, recipe: Recipe, root: Path) -> bool:
    """Whether the stage's folder holds the finished output of exactly these settings.

    Args:
        name: of the stage.
        recipe: that it is part of.
        root: the folder of all stages.
    """
    done = root / name / DONE
    return done.is_file() and json.loads(done.read_text())["fingerprint"] == fingerprint(
        name, recipe
    )
