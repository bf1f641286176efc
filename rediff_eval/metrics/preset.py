"""The two presets of every metric, and where the official programs end."""

from __future__ import annotations

from typing import Literal

from rediff.llm_client.conversation import ConversationError

Preset = Literal["corrected", "official"]
"""`official`: the number of the official program, its quirks included. `corrected`: the number
that it was meant to give; each metric says where that differs."""
FORMER = "sound"
"""The name of `corrected` before version 0.1."""


def current_name(text: str) -> str:
    """A text of an older result with today's name of the preset.

    Examples:
        >>> current_name("clair sound, oracle at loopback")
        'clair corrected, oracle at loopback'
    """
    return " ".join(
        word.replace(FORMER, "corrected") if word.rstrip(",") == FORMER else word
        for word in text.split(" ")
    )


class OfficialCrashError(ConversationError):
    """The official program dies on this input, with the exception whose name is given."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the official program ends here with {name}")
        self.name = name
