"""How a judge's replies are taken, by every protocol."""

from __future__ import annotations

from rediff.llm_client import conversation as talk
from rediff.llm_client.conversation import Failed, Reply


def why_unread(reply: Reply, expected: str) -> Failed:
    """The failure of a last reply that could not be used. `expected`: what it should have held."""
    return talk.why_unread(reply, "the judge", expected)


def official_text(reply: Reply) -> str | None:
    """The text as CapMAS' wrapper passes it on: filtered and failed calls are empty."""
    return "" if reply.refused or reply.error is not None else reply.text
