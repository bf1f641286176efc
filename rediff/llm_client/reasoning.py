"""Separates the answer of a model that reasons aloud from its reasoning."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMES = "think|thinking|thought|thoughts|reasoning|reflection|seed:think"
OPEN = rf"(?:<(?:{NAMES})>|\[(?:THINK)\]|◁think▷)"
CLOSE = rf"(?:</(?:{NAMES})>|\[/(?:THINK)\]|◁/think▷)"
BLOCK = re.compile(rf"{OPEN}.*?{CLOSE}", re.DOTALL | re.IGNORECASE)
END = re.compile(rf"^.*{CLOSE}", re.DOTALL | re.IGNORECASE)
START = re.compile(rf"{OPEN}.*$", re.DOTALL | re.IGNORECASE)
WRAPPED = re.compile(
    r"<answer>(.*)</answer>|<\|begin_of_box\|>(.*)<\|end_of_box\|>", re.DOTALL | re.IGNORECASE
)
"""Marks around an answer that follows reasoning."""
MARKS = re.compile(rf"{OPEN}|{CLOSE}|</?answer>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reasoned:
    """An `answer`, stripped, and the `reasoning` around it; None where there is none."""

    answer: str
    reasoning: str | None = None


def split_reasoning(text: str) -> Reasoned:
    """A reply without the model's reasoning, as `<think>...</think>` or in similar marks.

    Templates may open the block in the prompt, so that only its end is in the reply; a reply that
    was cut off may lack the end: then all from the mark on is reasoning. The answer is unwrapped
    where it is between marks of its own.
    """
    answer = BLOCK.sub("", text)
    answer = START.sub("", END.sub("", answer))
    if wrapped := WRAPPED.fullmatch(answer.strip()):
        answer = next(part for part in wrapped.groups() if part is not None)
    if answer == text:
        return Reasoned(text.strip())
    said = text.replace(answer, "", 1) if answer.strip() else text
    return Reasoned(answer.strip(), MARKS.sub("", said).strip() or None)
