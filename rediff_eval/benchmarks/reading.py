"""Readers that several data sets share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rediff.io.names import whole_text


def read_table(path: Path, columns: list[str] | None = None) -> tuple[list[str], Iterator[Any]]:
    """The names of a parquet or arrow file's columns, and its rows as plain values.

    Read from the file each time: no copy of an earlier state is kept anywhere. `columns`: only
    these, those that there are. Raises ValueError naming the file if it is neither.
    """
    import pyarrow as pa
    from pyarrow import ipc, parquet

    try:
        if path.suffix.lower() == ".parquet":
            table = parquet.read_table(path)
        else:
            table = _read_arrow(path, ipc, pa)
    except (pa.ArrowException, OSError) as error:
        kind = path.suffix[1:]
        raise ValueError(f"{path}: cannot be read as {kind}: {error}") from error
    names = list(table.column_names)
    if columns is not None:
        table = table.select([name for name in columns if name in names])
    batches = table.to_batches(max_chunksize=64)
    return names, (row for batch in batches for row in batch.to_pylist())


def _read_arrow(path: Path, ipc: Any, pa: Any) -> Any:
    """A file of arrow's stream format, as `datasets` writes it, or of its file format."""
    with pa.OSFile(str(path)) as source:
        try:
            return ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return ipc.open_file(source).read_all()


def find_pictures(folder: Path, names: tuple[str, ...], how: str) -> Path:
    """The first folder of these names. Raises FileNotFoundError saying how to get it."""
    found = next((folder / name for name in names if (folder / name).is_dir()), None)
    if found is None:
        raise FileNotFoundError(f"no folder {folder / names[0]}; {how}")
    return found


def reference_texts(raw: object) -> tuple[str, ...]:
    """References: a text or a list of texts, those that are not blank; none of nothing."""
    texts = [] if raw is None else [raw] if isinstance(raw, str) else raw
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("'references' must be a text or a list of texts")
    return tuple(whole_text(text) for text in texts if text.strip())
