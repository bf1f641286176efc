"""CLAIR: a score from 0 to 100 with a reason, as JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from rediff.llm_client.json_objects import objects
from rediff_eval.metrics.preset import OfficialCrashError

Scored = tuple[float, Any]
"""A score, 0 to 1 by intention, and the reason, officially of any JSON type."""


def read_official(text: str | None) -> Scored | None:
    """What both official programs make of a reply; None where they ask again.

    The first brace to the next closing one is read as JSON. Failing that the first number counts,
    times 100 if it is below 1.
    """
    if text is None:
        raise OfficialCrashError("AttributeError")
    try:
        data = json.loads("{" + text.split("{")[1].split("}")[0] + "}")
        score = data["score"]
    except (json.JSONDecodeError, KeyError, IndexError):
        return _first_number(text)
    except ValueError as error:
        raise OfficialCrashError("ValueError") from error
    try:
        return float(score) / 100, data.get("reason", "Unknown")
    except (TypeError, ValueError, OverflowError) as error:
        raise OfficialCrashError(type(error).__name__) from error


def _first_number(text: str) -> Scored | None:
    numbers = re.findall(r"\d*\.?\d+", text)
    if not numbers:
        return None
    score = float(numbers[0])
    reasons = re.findall(r"(?i)reason.*", text)
    reason = reasons[0].strip()[len("reason") :].replace(":", "").strip() if reasons else "Unknown"
    return (score * 100 if score < 1 else score) / 100, reason


def read_sound(text: str) -> Scored | None:
    """The score of the one JSON object that has one; None for anything else.

    None too for several such objects (a caption may bring its own), a score that is no number from
    0 to 100, or one between 0 and 1, whose scale is not clear.
    """
    found = [data for data in objects(text) if "score" in data]
    if len(found) != 1:
        return None
    score = found[0]["score"]
    if isinstance(score, bool) or not isinstance(score, int | float | str):
        return None
    try:
        number = float(score)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or not 0 <= number <= 100 or 0 < number < 1:
        return None
    return number / 100, str(found[0].get("reason", ""))
