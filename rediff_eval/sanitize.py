"""Text from outside, made harmless for where it is shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of the text around them."""


def plain(text: str) -> str:
    """`text` without characters that would move a terminal's cursor, colour it, or turn text
    around."""
    return "".join(
        "\ufffd" if c in BIDI or unicodedata.category(c) in ("Cc", "Cs") else c for c in text
    )


def markdown(text: str) -> str:
    """`text` as plain words of a Markdown table."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return plain(text)


def as_options(text: str, known: Container[str] | None = None) -> str:
    """`text` with the settings that it names in backticks as options of the command line.

    Args:
        text: a message of ours.
        known: all options; words that are none of them stay as they are. None for no such check.
    """

    def option(found: re.Match[str]) -> str:
        name = "--" + found[1].replace("_", "-")
        return name if known is None or name in known else found[0]

    return re.sub(r"`([a-z_]+)`", option, text)


def without_secrets(command: str) -> str:
    """A command without the part of an address before its @ or after its question mark."""
    return re.sub(r"(\w+://)[^/\s@]+@", r"\1", re.sub(r"(\w+://[^\s?']+)\?[^\s']*", r"\1", command))
