"""Samples whose pictures are files, and pictures that are bytes."""

from __future__ import annotations

from pathlib import Path

from rediff.data.images import open_bytes, open_image
from rediff_eval.benchmarks.sample import Sample, broken_sample, digest_of


def of_file(
    sample_id: str, path: Path, references: tuple[str, ...] = (), aliases: tuple[str, ...] = ()
) -> Sample:
    """A sample whose picture is a file; broken where that cannot be read."""
    try:
        digest = digest_of(path.read_bytes())
    except OSError as error:
        return broken_sample(sample_id, f"{path}: cannot be read: {error.strerror}")
    return Sample(
        sample_id,
        lambda: open_image(path),
        digest,
        references,
        read=path.read_bytes,
        aliases=aliases,
    )


def of_bytes(
    sample_id: str, content: bytes, place: str, references: tuple[str, ...] = ()
) -> Sample:
    """A sample whose picture is bytes; errors name the place it came from."""
    return Sample(
        sample_id,
        lambda: open_bytes(content, place),
        digest_of(content),
        references,
        read=lambda: content,
    )
