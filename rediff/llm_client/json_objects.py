"""JSON objects in replies, whatever text surrounds them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


def objects(text: str) -> Iterator[dict[str, Any]]:
    """All JSON objects in a text, nested ones too, without those that have a duplicate key."""
    decoder = json.JSONDecoder(object_pairs_hook=_distinct)
    for match in re.finditer(r"\{", text):
        try:
            data, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        yield data


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a duplicate key")
    return data
