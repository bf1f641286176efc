"""The configuration of a checkpoint folder beside its weights: its kind and its decoding."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rediff.data.dialogue import CAPTION_PROMPT
from rediff.io.text_files import parse_json, read_text

CONFIG_FILE = "captioner.json"
Kind = Literal["diffusion", "autoregressive"]
Dtype = Literal["float32", "bfloat16", "float16", "stored"]


class CaptionerConfig(BaseModel):
    """The kind of a checkpoint and its default decoding; stored as `captioner.json`.

    `canvas`: response length in tokens. `image_tokens`: tokens a picture takes in the prompt,
    None where that depends on its size. `system`: system message. `around_image`: see
    `encode_around_image`. `dtype`: of the weights on a GPU; on a CPU they are float32.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    canvas: int
    image_tokens: int | None = None
    sampler: str = "mask-predict"
    prompt: str = CAPTION_PROMPT
    system: str | None = None
    around_image: bool = False
    dtype: Dtype = "float32"


def read_captioner_config(folder: Path) -> CaptionerConfig:
    """The config of a checkpoint folder. Raises FileNotFoundError where there is none."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a checkpoint folder: it has no {CONFIG_FILE}")
    return CaptionerConfig.model_validate_json(path.read_text(encoding="utf-8"))


def check_adapter(folder: Path) -> None:
    """Raises ValueError for a folder that holds low-rank updates of another model alone."""
    path = folder / "adapter_config.json"
    if not path.is_file() or (folder / CONFIG_FILE).is_file() or (folder / "config.json").is_file():
        return
    adapter = parse_json(read_text(path), str(path))
    base = adapter.get("base_model_name_or_path") if isinstance(adapter, dict) else None
    raise ValueError(
        f"{folder} is a LoRA adapter of {base or 'another model'}, not a whole model: add it to the"
        " weights of that (peft: PeftModel.from_pretrained(base, FOLDER).merge_and_unload()), save"
        " the sum, and name its folder"
    )
