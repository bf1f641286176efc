"""CLAIR: how likely a candidate describes the same picture as a reference (Chan et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rediff.llm_client.conversation import Request, Talk, system
from rediff_eval.metrics.judged.parsing.clair import read_official, read_sound
from rediff_eval.metrics.judged.prompts import ClairPrompt
from rediff_eval.metrics.judged.protocols.replies import official_text, why_unread
from rediff_eval.metrics.preset import Preset

TRIES = 3
MAX_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class ClairVerdict:
    """A score, 0 to 1 by intention, and the judge's reason (officially of any JSON type)."""

    score: float
    reason: Any


def ask(prompt: ClairPrompt, candidate: str, reference: str, preset: Preset) -> Talk[ClairVerdict]:
    """Asks up to three times. Raises OfficialCrashError under `official`."""
    message = system(prompt.fill(candidate, reference))
    for attempt in range(TRIES):
        reply = yield Request(
            messages=[message], prompt=prompt.id, max_tokens=MAX_TOKENS, temperature=0.0,
            attempt=attempt,
        )  # fmt: skip
        if preset == "official":
            found = read_official(official_text(reply))
        else:
            found = None if reply.final else read_sound(reply.text or "")
        if found is not None:
            return ClairVerdict(*found)
        if reply.final and preset == "sound":
            break
    return why_unread(reply, "no score that is clear")
