"""Loads weights that fit their model; an error names every tensor that does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import PreTrainedModel

from rediff.io.files import files_hash

Model = TypeVar("Model", bound=PreTrainedModel)

PROBLEMS = {
    "missing_keys": "missing",
    "unexpected_keys": "left over",
    "mismatched_keys": "of another shape",
}


def load_whole(
    kind: type[Model],
    folder: Path,
    *,
    without: tuple[str, ...] = (),
    fill: Mapping[str, Tensor] | None = None,
    **options: Any,
) -> Model:
    """`kind.from_pretrained(folder)` from safetensors, in evaluation mode.

    Args:
        kind: a class of transformers.
        folder: the model.
        without: beginnings of names that the folder need not have.
        fill: the tensors of these names.
        options: go to `from_pretrained`.

    Raises:
        ValueError: that lists every tensor that is missing, left over or of another shape.
        OSError: if the folder has no safetensors.
    """
    loaded: Any = kind.from_pretrained(
        folder,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **options,
    )
    model, report = loaded
    missing = [name for name in report["missing_keys"] if not name.startswith(without or ("\0",))]
    check_report(folder, {**report, "missing_keys": missing})
    if fill is not None:
        state = model.state_dict()
        for name, tensor in fill.items():
            state[name].copy_(tensor)
    model.eval()
    return model


def check_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Raises ValueError if a loading report of transformers is not clean."""
    problems = []
    for key, what in PROBLEMS.items():
        names = [
            entry if isinstance(entry, str) else str(entry[0]) for entry in report.get(key, ())
        ]
        if names:
            problems.append(f"{len(names)} {what}: {', '.join(sorted(names))}")
    if problems:
        raise ValueError(f"{folder}: the weights do not fit the model: {'; '.join(problems)}")


def tensor_names(path: Path) -> list[str]:
    """The names of a safetensors file's tensors. Raises ValueError naming a file that is not
    one."""
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except SafetensorError as error:
        raise ValueError(f"{path}: not a complete safetensors file: {error}") from error


def weights_hash(folder: Path) -> str:
    """SHA-256 over a model folder's weight files, in the order of their names."""
    return files_hash(sorted(folder.glob("*.safetensors")))
