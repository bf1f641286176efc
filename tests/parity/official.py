"""Tiny checkpoints in the official naming, filled by the weight rule of the vectors."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

HEAD_ROWS = (*range(1000), 126080, 126081, 126336, 126346, 126347, 126348)
"""Rows of the output head that are not zero."""
NORMS = ("norm.weight", "layernorm.weight", "layer_norm1.weight", "layer_norm2.weight")


def fill(salt: str, name: str, shape: list[int]) -> Tensor:
    """The value of the tensor `name`, float32."""
    rng = np.random.default_rng(zlib.crc32(f"{salt}:{name}".encode()))
    w = rng.standard_normal(shape).astype(np.float32)
    if name.endswith(NORMS[0]) or any(part in name for part in NORMS[1:]):
        w = 1 + 0.1 * w
    elif name.endswith("bias"):
        w = 0.02 * w
    elif name == "lm_head.weight":
        kept = np.zeros((shape[0], 1), np.float32)
        kept[[row for row in HEAD_ROWS if row < shape[0]]] = 0.5
        w = w * kept
    elif len(shape) == 1:
        w = 0.5 * w
    elif not name.endswith("embed_tokens.weight"):
        w = np.float32(1.2 / np.sqrt(np.prod(shape[1:]))) * w
    return torch.from_numpy(w.astype(np.float32))


def picture(width: int, height: int) -> Image.Image:
    """The vectors' picture of a size."""
    y, x = np.mgrid[0:height, 0:width]
    channels = (7 * x + 3 * y) % 256, (2 * x + 5 * y) % 256, ((x // 16 + y // 16) * 40) % 256
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def write_checkpoint(folder: Path, model: Mapping[str, Any], *, shards: int = 1) -> None:
    """Writes config and weights as the authors publish them, without a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(official_config(model)))
    tensors = {name: fill(model["salt"], name, shape) for name, shape in model["keys"].items()}
    save_shards(folder, tensors, shards)


def save_shards(folder: Path, tensors: Mapping[str, Tensor], shards: int) -> None:
    """Writes weights into one file, or into several with their index."""
    if shards == 1:
        save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, weight_map = list(tensors), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[shard::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def official_config(model: Mapping[str, Any]) -> dict[str, Any]:
    """`config.json` in the official form; the tower, too small to have a name, spelt out."""
    vision = dict(model["vision"])
    layers = vision.pop("num_hidden_layers_in_tower_file")
    del vision["layers_kept"]
    return {
        **model["config"],
        "architectures": ["LlavaLLaDAModelLM"],
        "model_type": "llava_llada",
        "vision_config": {**vision, "num_hidden_layers": layers},
    }
