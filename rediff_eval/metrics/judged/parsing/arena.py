"""CapArena: which of two captions is better."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rediff_eval.metrics.preset import OfficialCrashError

FIRST, SECOND, TIE = 1, 2, 0
VERDICTS: Mapping[str, int] = {
    f"{verdict}{dot}": winner
    for verdict, winner in (
        ("Caption 1 is better", FIRST), ("Caption 2 is better", SECOND), ("Tie", TIE),
    )
    for dot in ("", ".")
}  # fmt: skip
"""The six texts that the official scorer knows."""
_SOUND = re.compile(r"(?:caption\s*([12])\s+is\s+better|(tie))", re.IGNORECASE)
_LABEL = re.compile(r"^[\W_]*judge?ment[\W_]*:\s*(.*)$", re.IGNORECASE | re.MULTILINE)


def read_official(text: str | None) -> str | None:
    """The verdict's text as the official judge step stores it; None where it asks again."""
    if text is None:
        raise OfficialCrashError("TypeError")
    reason = re.search(r"Reason:\s*(.+?)\s*Judgment:", text, re.DOTALL)
    verdict = re.search(r"Judgment:\s*(.+)", text)
    if not reason or not verdict or not reason[1].strip():
        return None
    return verdict[1].strip() or None


def read_sound(text: str) -> int | None:
    """`FIRST`, `SECOND` or `TIE`; None for anything but one clear verdict.

    A line that begins with "Judgment:" is wanted; letter case, emphasis, brackets and a full stop
    do not matter. Several such lines must agree.
    """
    found = {_verdict(label[1]) for label in _LABEL.finditer(text)}
    return found.pop() if len(found) == 1 else None


def _verdict(text: str) -> int | None:
    match = _SOUND.fullmatch(text.strip(" \t\r*_<>\"'.!`"))
    if match is None:
        return None
    return TIE if match[2] else int(match[1])
