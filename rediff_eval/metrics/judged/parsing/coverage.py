"""Coverage: the letters of the options that a caption answers questions with."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rediff_eval.metrics.judged.parsing.numbered import by_number
from rediff_eval.metrics.preset import OfficialCrashError

UNKNOWN = "I don't know"
_ANSWER = re.compile(
    r"""(?<![\w.])(\d{1,4})\s*[.):]\s* # its number
    (?:[(\["'*]*([A-Za-z])              # a letter, marked or not,
    (?=\s*(?:[)\].:,*"']|$|\s\d+\s*[.):]))   # that ends there
    |[Ii]\ don['\u2019]t\ know)""",
    re.VERBOSE | re.MULTILINE,
)


def cut(text: str) -> list[str]:
    """The pieces of a text between line breaks and ". ", each up to its first ")".

    The official programs take every second one for an answer.
    """
    text = text.replace("\n\n", "\n").strip().replace(". ", "\n")
    return [piece.split(")")[0] for piece in text.split("\n")]


def read_official(text: str | None, questions: int) -> list[str] | None:
    """The official program's answers; None where it skips the picture."""
    if text is None:
        raise OfficialCrashError("AttributeError")
    if text == "":
        return None
    if text in (UNKNOWN, f"{UNKNOWN}."):
        return [UNKNOWN] * questions
    return cut(text)[1::2]


def read_sound(text: str, questions: int) -> Mapping[int, str] | None:
    """Upper-case letters by question number, from 0; "" where the judge does not know.

    A number that is answered twice, in two ways, is left out. None if nothing is read, or if a
    number lies outside: then the judge has numbered in its own way.
    """
    if text.strip().rstrip(".").replace("\u2019", "'").lower() == UNKNOWN.lower():
        return dict.fromkeys(range(questions), "")
    letters = ((int(match[1]), (match[2] or "").upper()) for match in _ANSWER.finditer(text))
    return by_number(letters, range(questions)) or None
