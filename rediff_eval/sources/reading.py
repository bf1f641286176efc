"""What several sources read alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def parse_json(text: str, where: str) -> Any:
    """A JSON value. Raises ValueError naming where it stands."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not valid JSON: {error}") from error


def open_table(path: Path) -> Any:
    """A parquet or arrow file as a `datasets` table. Raises ValueError naming the file."""
    from datasets import Dataset

    try:
        if path.suffix == ".parquet":
            return Dataset.from_parquet(str(path))
        return Dataset.from_file(str(path))
    except (ValueError, OSError, RuntimeError) as error:
        raise ValueError(f"{path}: cannot be read as {path.suffix[1:]}: {error}") from error


def find_pictures(folder: Path, names: tuple[str, ...], how: str) -> Path:
    """The first folder of these names. Raises FileNotFoundError saying how to get it."""
    found = next((folder / name for name in names if (folder / name).is_dir()), None)
    if found is None:
        raise FileNotFoundError(f"no folder {folder / names[0]}; {how}")
    return found
