"""Captions made elsewhere, from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from rediff.data.caption_files import CaptionFile, read_caption_file
from rediff.data.images import SUFFIXES
from rediff.io.names import same_name
from rediff.captioners.base import Caption, Decoding, Failure, Said, Traits

GIVEN = "given"
"""Stands for a sampler, where captions were made elsewhere."""
NO_CAPTION = "no caption in the file"
ENDS = ("<|eot_id|>", "<|endoftext|>")
"""Texts that end a response where a tool has kept special tokens, as the official one does."""


class PrecomputedCaptioner:
    """Looks captions up by sample id, or by the id without the suffix of a picture file."""

    def __init__(self, file: CaptionFile) -> None:
        self.captions = {same_name(name): text for name, text in file.captions.items()}
        self.broken = {same_name(name): reason for name, reason in file.broken.items()}

    @classmethod
    def load(cls, path: Path) -> PrecomputedCaptioner:
        """From a file of any form that `read_caption_file` takes. Raises as it does."""
        return cls(read_caption_file(path))

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
        return [self._look_up(same_name(i)) for i in ids]

    def knows(self, sample_id: str) -> bool:
        """Whether the file has an entry of this id."""
        return any(
            same_name(name) in known
            for name in (sample_id, bare_id(sample_id))
            for known in (self.captions, self.broken)
        )

    def _look_up(self, sample_id: str) -> Caption | Failure:
        for name in (sample_id, bare_id(sample_id)):
            if name in self.captions:
                return Caption(strip_ends(self.captions[name]), None, None, 0.0, truncated=False)
            if name in self.broken:
                return Failure(self.broken[name])
        return Failure(NO_CAPTION)

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
