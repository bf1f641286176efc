"""Tiny LaViDa checkpoints in the official naming, filled by the weight rule of the vectors."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from official import save_shards
from torch import Tensor

LLADA_ROWS = (*range(1000), 126080, 126081, 126336, 126346, 126347, 126348)
DREAM_ROWS = (*range(1000), *range(151640, 151667))
"""Rows of the output heads that are not zero."""
NORMS = ("layernorm.weight", "layer_norm1.weight", "layer_norm2.weight")


def fill(salt: str, name: str, shape: list[int]) -> Tensor:
    """The value of the tensor `name`, float32; the newline as the official class rounds it."""
    drawn = f"x.wte.weight:{name}.wte.weight" if name == "model.embed_tokens.weight" else name
    rng = np.random.default_rng(zlib.crc32(f"{salt}:{drawn}".encode()))
    w = rng.standard_normal(shape).astype(np.float32)
    block = name.startswith("model.transformer.blocks.")
    if name.endswith(("norm.weight", "ln_f.weight")) or any(part in name for part in NORMS):
        w = 1 + 0.1 * w
    elif name.endswith("bias"):
        w = 0.02 * w
    elif drawn.endswith("wte.weight"):
        w = 0.5 * w
    elif name in ("model.transformer.ff_out.weight", "lm_head.weight"):
        kept = np.zeros((shape[0], 1), np.float32)
        rows = DREAM_ROWS if name == "lm_head.weight" else LLADA_ROWS
        kept[[row for row in rows if row < shape[0]]] = 0.5
        w = w * kept
    elif len(shape) == 1:
        w = 0.5 * w
    elif block and name.endswith(("q_proj.weight", "k_proj.weight")):
        w = np.float32(4.0 / np.sqrt(shape[1])) * w
    elif name.endswith("attn_out.weight"):
        w = np.float32(3.0 / np.sqrt(shape[1])) * w
    else:
        w = np.float32(1.2 / np.sqrt(np.prod(shape[1:]))) * w
    return torch.from_numpy(w.astype(np.float32))


def write_checkpoint(
    folder: Path, model: Mapping[str, Any], *, model_type: str, shards: int = 1
) -> None:
    """Writes config and weights as the authors publish them, without a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**model["config"], "model_type": model_type, "vision_config": model["vision_config"]}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {name: fill(model["salt"], name, shape) for name, shape in model["keys"].items()}
    save_shards(folder, tensors, shards)
