"""What the two presets of a metric mean, and where the official programs end."""

from __future__ import annotations

from typing import Literal

from rediff.llm_client.conversation import TalkError

Preset = Literal["sound", "official"]
"""`official`: the official program's number, its quirks included. `sound`: what it was meant to
be; each metric says where that differs."""


class OfficialCrashError(TalkError):
    """The official program dies on this input, with the exception whose name is given."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the official program ends here with {name}")
        self.name = name
