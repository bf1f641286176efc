"""Captions made elsewhere, from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from rediff.data.images import SUFFIXES
from rediff.models.captioner import Caption, Decoding, Failure, Said, Traits

GIVEN = "given"
"""Stands for a sampler, where captions were made elsewhere."""
NO_CAPTION = "no caption in the file"
ENDS = ("<|eot_id|>", "<|endoftext|>")
"""Texts that end a response where a tool has kept special tokens, as the official one does."""


class PrecomputedCaptioner:
    """Looks captions up by sample id, or by the id without the suffix of a picture file."""

    def __init__(self, captions: Mapping[str, str]) -> None:
        self.captions = captions

    @classmethod
    def load(cls, path: Path) -> PrecomputedCaptioner:
        """From JSON `{"id": "caption", ...}` or JSON lines with `id` and `caption` (or `text`).

        Raises FileNotFoundError if there is no such file, ValueError naming the line or the id of
        whatever is no caption.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no captions file {path}")
        text = path.read_text(encoding="utf-8")
        return cls(_from_lines(path, text) if path.suffix == ".jsonl" else _from_map(path, text))

    @property
    def traits(self) -> Traits:
        return Traits(kind="captions file", length=None, sampler=GIVEN)

    def caption(
        self,
        images: Sequence[Image.Image],
        decoding: Decoding,
        *,
        said: Sequence[Said] | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[Caption | Failure]:
        """The file's caption for each id, which must be given."""
        assert ids is not None, "captions are looked up by id"
        return [self._look_up(i) for i in ids]

    def _look_up(self, sample_id: str) -> Caption | Failure:
        text = self.captions.get(sample_id, self.captions.get(bare_id(sample_id)))
        if text is None:
            return Failure(NO_CAPTION)
        return Caption(strip_ends(text), None, None, 0.0, truncated=False)

    def close(self) -> None:
        """Nothing is held but memory."""


def bare_id(sample_id: str) -> str:
    """A sample's id without the suffix of a picture file."""
    path = PurePosixPath(sample_id)
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else sample_id


def strip_ends(text: str) -> str:
    """`text` up to the first special token that ends a response."""
    ends = [position for end in ENDS if (position := text.find(end)) >= 0]
    return text[: min(ends, default=len(text))].strip()


def _from_map(path: Path, text: str) -> dict[str, str]:
    try:
        loaded = json.loads(text, object_pairs_hook=_unique)
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(loaded, dict):
        raise ValueError(f"{path}: expected an object of captions by id")
    for key, value in loaded.items():
        if not isinstance(value, str):
            raise ValueError(f"{path}: the caption of {key!r} is no text")
    return loaded


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise KeyError(f"id {key!r} stands twice")
        found[key] = value
    return found


def _from_lines(path: Path, text: str) -> dict[str, str]:
    captions: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not valid JSON: {error}") from error
        caption = record.get("caption", record.get("text")) if isinstance(record, dict) else None
        if not isinstance(caption, str) or "id" not in record:
            raise ValueError(f"{path}:{number}: expected an object with 'id' and 'caption'")
        if str(record["id"]) in captions:
            raise ValueError(f"{path}:{number}: id {record['id']!r} stands twice")
        captions[str(record["id"])] = caption
    return captions
