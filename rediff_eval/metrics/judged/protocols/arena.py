"""CapArena-Auto: which of two captions describes the picture better (Cheng et al. 2025)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from rediff.llm_client.conversation import Request, Talk, picture, system, text, user
from rediff_eval.metrics.judged.parsing.arena import VERDICTS, read_official, read_sound
from rediff_eval.metrics.judged.prompts import ArenaPrompt
from rediff_eval.metrics.judged.protocols.replies import why_unread
from rediff_eval.metrics.preset import Preset

TRIES = 5
SOUND_TRIES = 3
MAX_TOKENS = 1500
TEMPERATURE, TOP_P = 0.1, 0.9
TOO_LONG = "context_length_exceeded"


@dataclass(frozen=True, slots=True)
class ArenaVerdict:
    """`winner`: 1, 2, or 0 for a tie; None where the official scorer ignores the text."""

    winner: int | None
    text: str


def ask(
    prompt: ArenaPrompt, first: str, second: str, reference: str, image: str, preset: Preset
) -> Talk[ArenaVerdict]:
    """Asks up to five times (`sound`: three). `image`: a data URL.

    `official`: failed calls are tries too, one that was too long is sent once more and its second
    reply thrown away. Raises OfficialCrashError where the API sends no text.
    """
    asked = user(picture(image, "high"), text(prompt.fill(first, second, reference)))
    request = Request(
        messages=[system(prompt.system), asked], prompt=prompt.id, max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE, top_p=TOP_P,
    )  # fmt: skip
    sent = itertools.count()
    for _ in range(TRIES if preset == "official" else SOUND_TRIES):
        reply = yield replace(request, attempt=next(sent))
        if preset == "sound":
            winner = None if reply.final else read_sound(reply.text or "")
            if winner is not None:
                return ArenaVerdict(winner, reply.text or "")
            if reply.final:
                break
            continue
        if reply.code == TOO_LONG:
            yield replace(request, attempt=next(sent))
        verdict = read_official("" if reply.final else reply.text)
        if verdict is not None:
            return ArenaVerdict(VERDICTS.get(verdict), verdict)
    return why_unread(reply, "no judgement that is clear")
