"""Factuality: a caption's propositions, and which of them are true."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rediff_eval.metrics.judged.parsing.coverage import cut
from rediff_eval.metrics.judged.parsing.numbered import by_number
from rediff_eval.metrics.preset import OfficialCrashError

LONGEST_LINE = 245
"""Words of a line above which the official program skips the picture."""
IN_A_ROW = 3
"""Equal propositions in a row at which it does so too."""
NONE = "none"
_PROPOSITION = re.compile(r"^[ \t>*_#-]*\d+[ \t]*[.)][ \t*_]*(\S.*?)[ \t\r*_]*$", re.MULTILINE)
_VERDICT = re.compile(
    r"""(?<![\w.])(\d{1,4})\s*[.):]\s*["'(*]*(true|false)\b(?![/\w])""", re.IGNORECASE
)


def decompose_official(text: str | None) -> list[str]:
    """The lines that the official program keeps, with their numbers; none: it skips the picture."""
    if text is None:
        raise OfficialCrashError("AttributeError")
    if text == "":
        return []
    lines = text.replace("\n\n", "\n").split("\n")
    if not all(lines):
        raise OfficialCrashError("IndexError")
    kept = [line for line in lines if line[0].isdigit() and ". " in line]
    stated = [line.split(". ")[1] for line in kept]
    runs = zip(*(stated[start:] for start in range(IN_A_ROW)), strict=False)
    looping = any(len(set(run)) == 1 for run in runs)
    too_long = any(len(line.split()) > LONGEST_LINE for line in kept)
    return [] if looping or too_long else kept


def decompose_sound(text: str) -> list[str] | None:
    """The propositions of a numbered list, without their numbers, each once.

    Empty where the judge says that there are none; None for any other text without such a list.
    """
    if text.strip().rstrip(".").lower() == NONE:
        return []
    found = {line.lower().rstrip("."): line for line in reversed(_PROPOSITION.findall(text))}
    return list(reversed(found.values())) or None


def judge_official(text: str | None) -> list[str]:
    """The official program's verdicts: first words, of which exactly `True` counts."""
    if text is None:
        raise OfficialCrashError("AttributeError")
    pieces = [piece.split() for piece in cut(text)]
    if not all(pieces):
        raise OfficialCrashError("IndexError")
    return [words[0] for words in pieces[1::2]]


def judge_sound(text: str, propositions: int) -> Mapping[int, bool] | None:
    """Verdicts by the number of a proposition, from 1.

    What is judged twice, in two ways, is left out; None if a number lies outside.
    """
    verdicts = ((int(match[1]), match[2].lower() == "true") for match in _VERDICT.finditer(text))
    return by_number(verdicts, range(1, propositions + 1))
