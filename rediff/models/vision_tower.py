"""The SigLIP tower of an official checkpoint: its shape, and its weights from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import SiglipVisionConfig, SiglipVisionModel

from rediff.io.hub import fetch
from rediff.models.weights import check_report, tensor_names

TOWER = "model.vision_tower."
"""How the names of a tower's tensors begin, in transformers' naming."""

_SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}

TOWERS: Mapping[str, Mapping[str, int]] = {
    "siglip2-so400m-patch14-384": _SO400M,
    "siglip-so400m-patch14-384": _SO400M,
}
"""Vision towers that a checkpoint may name instead of describing."""


def tower_config(raw: Mapping[str, Any], *, last: int) -> SiglipVisionConfig:
    """The shape of a tower without the layers that are not used.

    Args:
        raw: an official `config.json`, which describes the tower by `vision_config` or names it by
            `mm_vision_tower`.
        last: the last layer that is used, counted from the end: -1 for all.

    Raises:
        ValueError: for a name that is not among `TOWERS`.
    """
    name = raw.get("mm_vision_tower") or ""
    described = raw.get("vision_config") or TOWERS.get(Path(name).name)
    if described is None:
        raise ValueError(
            f"unknown vision tower {raw.get('mm_vision_tower')!r}; known are {', '.join(TOWERS)}."
            " Describe another one in config.json as 'vision_config'"
        )
    kept = described["num_hidden_layers"] + 1 + last
    changes = {"num_hidden_layers": kept, "vision_use_head": False}
    return SiglipVisionConfig(**{**described, **changes})


def tower_folder(raw: Mapping[str, Any], folder: Path) -> Path | None:
    """The folder that `mm_vision_tower` names: as it is, or beside the checkpoint at `folder`."""
    name = raw.get("mm_vision_tower") or ""
    places = (Path(name), folder / name, folder.parent / Path(name).name) if name else ()
    return next((p for p in places if p != folder and (p / "config.json").is_file()), None)


def has_tower(folder: Path) -> bool:
    """Whether a checkpoint in the official naming has a tower's weights."""
    names = [name for path in folder.glob("*.safetensors") for name in tensor_names(path)]
    return not names or any(".vision_tower." in name for name in names)


def load_tower(
    raw: Mapping[str, Any], folder: Path, config: Any, *, dtype: torch.dtype | str
) -> dict[str, torch.Tensor]:
    """The weights of the tower that `mm_vision_tower` names, a folder or a hub id, by their names
    in the whole model; layers that are not used are left out.

    Args:
        raw: the official `config.json`.
        folder: of the checkpoint.
        config: of the tower.
        dtype: of the weights, or "auto" for theirs.

    Raises:
        ValueError: that lists the missing weights.
        FileNotFoundError: if the tower is not there.
    """
    place = tower_folder(raw, folder) or fetch(str(raw.get("mm_vision_tower")))
    loaded: Any = SiglipVisionModel.from_pretrained(
        place, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True
    )
    tower, report = loaded
    check_report(place, {"missing_keys": report["missing_keys"]})
    return {f"{TOWER}{name}": tensor for name, tensor in tower.state_dict().items()}
