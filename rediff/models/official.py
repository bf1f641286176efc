"""Which published form of checkpoints a folder holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rediff.models.config import CaptionerConfig, read_captioner_config
from rediff.models.lavida import LAVIDA, LAVIDA_DREAM
from rediff.models.lavida_config import DREAM_TYPE
from rediff.models.llada_v import LLADA_V
from rediff.models.llada_v_config import MODEL_TYPE
from rediff.models.official_format import OfficialFormat


def find_official(folder: Path) -> OfficialFormat | None:
    """The published form of a folder's checkpoint; None for any other folder.

    Raises ValueError for a config that calls itself one of them, and is none.
    """
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(raw, dict):
        return None
    try:
        return official_format(raw)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_card(folder: Path, official: OfficialFormat | None) -> CaptionerConfig:
    """How a folder's checkpoint captions: its own config, or that of its published form.

    Args:
        folder: of the checkpoint.
        official: its published form, as `find_official` says.

    Raises:
        ValueError: as `read_captioner_config` does.
    """
    return read_captioner_config(folder) if official is None else official.card


def official_format(raw: Mapping[str, Any]) -> OfficialFormat | None:
    """The published form that a `config.json` describes.

    LLaDA-V and LaViDa call their models alike; LaViDa's text model has the sizes of LLaDA under
    LLaDA's own names. Raises ValueError for one that has neither the ones nor the others.
    """
    if raw.get("model_type") == DREAM_TYPE:
        return LAVIDA_DREAM
    if raw.get("model_type") != MODEL_TYPE:
        return None
    if "d_model" in raw:
        return LAVIDA
    if "hidden_size" in raw:
        return LLADA_V
    raise ValueError(
        f"model_type {MODEL_TYPE!r} is LLaDA-V's, whose config has a 'hidden_size', and LaViDa's,"
        " whose config has a 'd_model'; this one has neither"
    )
