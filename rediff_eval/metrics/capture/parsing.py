"""The interface of parsers, which turn captions into graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rediff_eval.metrics.capture.graph import CaptionGraph

FACTUAL_ID = "lizhuang144/flan-t5-base-VG-factual-sg"
"""FACTUAL's parser on the hub."""
ENCODER_ID = "sentence-transformers/all-mpnet-base-v2"
"""CAPTURE's sentence encoder on the hub."""


class Parser(Protocol):
    """Reads captions. `name` says exactly which parser, and is part of every result."""

    name: str

    def parse(self, captions: Sequence[str]) -> list[CaptionGraph]:
        """A graph for each caption."""
        ...
