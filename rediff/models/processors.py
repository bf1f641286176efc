"""Processors of image-text-to-text models, without their video and audio where need be."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoProcessor,
    AutoTokenizer,
    ProcessorMixin,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING


def load_processor(folder: Path, *, trust_remote_code: bool = False) -> ProcessorMixin:
    """The processor of a model folder; pictures are always resized by Pillow.

    A processor that also takes video asks for torchvision. Captions need no video, so where
    torchvision is missing the processor is put together from its parts for pictures and text.

    Args:
        folder: with the files of the model's processor.
        trust_remote_code: run Python files of the folder.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    kind: Any = PROCESSOR_MAPPING.get(type(config), None)
    if kind is None or "video_processor" not in kind.get_attributes() or find_spec("torchvision"):
        return AutoProcessor.from_pretrained(
            folder, trust_remote_code=trust_remote_code, backend="pil"
        )
    settings, _ = kind.get_processor_dict(str(folder))
    parts = [_load_part(name, folder) for name in kind.get_attributes()]
    return _incomplete(kind).from_args_and_dict(parts, settings)


def _load_part(name: str, folder: Path) -> Any:
    if name == "image_processor":
        return AutoImageProcessor.from_pretrained(folder, backend="pil")
    if name == "tokenizer":
        return AutoTokenizer.from_pretrained(folder)
    return None


def _incomplete(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """A processor class that lets parts be None."""

    class Incomplete(kind):  # type: ignore[valid-type, misc]
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument is None:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    return Incomplete
