"""Texts with names in braces, known by a hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt. `template`: the user's text, or CLAIR's only text, with names in braces."""

    name: str
    system: str
    template: str = ""

    @property
    def id(self) -> str:
        """The name with the beginning of a hash of all its text."""
        digest = hashlib.sha256(f"{self.system}\0{self.template}".encode()).hexdigest()
        return f"{self.name}@{digest[:8]}"


def fill(template: str, **values: str) -> str:
    """The template with each `{name}` replaced at once: braces in a value stay as they are.

    Args:
        template: the text with its names in braces; braces around other words stay.
        **values: by name.

    Examples:
        >>> fill("{a} and {b}", a="{b}", b="two")
        '{b} and two'
    """
    parts = template.split("{")
    filled = [parts[0]]
    for part in parts[1:]:
        name, brace, rest = part.partition("}")
        filled.append(values[name] + rest if brace and name in values else "{" + part)
    return "".join(filled)
