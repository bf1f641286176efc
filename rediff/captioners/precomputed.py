"""Captions made elsewhere, from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rediff.captioners.base import (
    Capabilities,
    Caption,
    Captioner,
    CaptionRequest,
    Decoding,
    Failure,
)
from rediff.captioners.sources import Loading, file_hashes, register_captioner
from rediff.data.caption_files import CaptionFile, read_caption_file
from rediff.data.images import SUFFIXES
from rediff.io.names import same_name

GIVEN = "given"
"""The sampler's name where captions were made elsewhere."""
NO_CAPTION = "no caption in the file"
ENDS = ("<|eot_id|>", "<|endoftext|>")
"""Texts that end a response where a tool has kept special tokens, as the official one does."""


@register_captioner(
    "captions", identify=lambda where, loading: file_hashes("captions", [Path(where)])
)
def open_captions(where: str, loading: Loading) -> Captioner:
    """The captioner of a file of captions. Raises as `read_caption_file`."""
    return PrecomputedCaptioner.load(Path(where))


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
    def capabilities(self) -> Capabilities:
        return Capabilities(kind="captions file", length=None, sampler=GIVEN)

    def caption(
        self, requests: Sequence[CaptionRequest], decoding: Decoding
    ) -> list[Caption | Failure]:
        """The file's caption for the id of each request, or else for one of its aliases."""
        return [self._look_up(request) for request in requests]

    def _look_up(self, request: CaptionRequest) -> Caption | Failure:
        ids = [same_name(name) for name in (request.id, *request.aliases)]
        for name in (name for own in ids for name in (own, bare_id(own))):
            if name in self.captions:
                return Caption(strip_ends(self.captions[name]))
            if name in self.broken:
                return Failure(self.broken[name])
        return Failure(NO_CAPTION)

    def close(self) -> None:
        """Holds nothing but memory."""


def bare_id(sample_id: str) -> str:
    """A sample's id without the suffix of a picture file."""
    path = PurePosixPath(sample_id)
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else sample_id


def strip_ends(text: str) -> str:
    """`text` up to the first special token that ends a response."""
    ends = [position for end in ENDS if (position := text.find(end)) >= 0]
    return text[: min(ends, default=len(text))].strip()
