"""Coverage: the letters of the options that a caption answers questions with."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rediff_eval.presets import OfficialCrashError

UNKNOWN = "I don't know"
_ANSWER = re.compile(
    r"""(?<![\w.])(\d{1,4})\s*[.):]\s* # its number
    (?:[(\["'*]*([A-Za-z])              # a letter, marked or not,
    (?=\s*(?:[)\].:,*"']|$|\s\d+\s*[.):]))   # that ends there
    |[Ii]\ don['\u2019]t\ know)""",
    re.VERBOSE | re.MULTILINE,
)


def pair_pieces(text: str) -> list[str]:
    """Every second piece of a text cut at line breaks and ". ", up to its first ")"."""
    text = text.replace("\n\n", "\n").strip().replace(". ", "\n")
    return [piece.split(")")[0] for piece in text.split("\n")][1::2]


def read_official(text: str | None, questions: int) -> list[str] | None:
    """The official program's answers; None where it skips the picture."""
    if text is None:
        raise OfficialCrashError("AttributeError")
    if text == "":
        return None
    if text in (UNKNOWN, f"{UNKNOWN}."):
        return [UNKNOWN] * questions
    return pair_pieces(text)


def read_sound(text: str, questions: int) -> Mapping[int, str] | None:
    """Upper-case letters by question number, from 0; "" where the judge does not know.

    A number that is answered twice, in two ways, is left out. None if nothing is read, or if a
    number lies outside: then the judge has numbered in its own way.
    """
    if text.strip().rstrip(".").replace("\u2019", "'").lower() == UNKNOWN.lower():
        return dict.fromkeys(range(questions), "")
    found: dict[int, str] = {}
    contested: set[int] = set()
    for match in _ANSWER.finditer(text):
        number, letter = int(match[1]), (match[2] or "").upper()
        if number >= questions:
            return None
        if found.setdefault(number, letter) != letter:
            contested.add(number)
    return {n: letter for n, letter in found.items() if n not in contested} or None
