"""Factuality: which of a caption's propositions are true of the picture (CapMAS)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from rediff.llm_client.conversation import (
    Failed,
    Reply,
    Request,
    Talk,
    picture,
    system,
    text,
    user,
)
from rediff_eval.metrics.judged.parsing.factuality import (
    decompose_official,
    decompose_sound,
    judge_official,
    judge_sound,
)
from rediff_eval.metrics.judged.prompts import DecomposePrompt, JudgePrompt
from rediff_eval.metrics.judged.protocols.replies import official_text, why_unread
from rediff_eval.metrics.preset import OfficialCrashError, Preset

TRIES = 3
MAX_TOKENS = 4096
TEMPERATURE = 1e-7
ENDLESS = 40
"""Judgements of one list after which the official loop counts as endless."""
ENDLESS_ROUNDS = 12
"""Decompositions of one caption after which it does."""


@dataclass(frozen=True, slots=True)
class FactualityVerdict:
    """The propositions, and whether each is true; none for a caption that states nothing."""

    propositions: tuple[str, ...]
    true: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the official judgement ends with. `redo`: the caption is to be decomposed again."""

    answers: tuple[str, ...]
    redo: bool


def ask(
    decompose: DecomposePrompt, judge: JudgePrompt, caption: str, reference: str, image: str,
    preset: Preset,
) -> Talk[FactualityVerdict]:  # fmt: skip
    """First has the caption taken apart, then each part judged by picture and reference.

    `image`: a data URL. `sound`: three tries for either; a judgement that stays incomplete is a
    failure. `official`: raises OfficialCrashError, for an endless loop too.
    """
    if preset == "official":
        return (yield from _ask_official(decompose, judge, caption, reference, image))
    propositions = (yield from _take_apart(decompose, caption)) if caption.strip() else []
    if isinstance(propositions, Failed):
        return propositions
    if not propositions:
        return FactualityVerdict((), ())
    numbered = [f"{i}. {line}" for i, line in enumerate(propositions, 1)]
    for attempt in range(TRIES):
        reply = yield _judgement(judge, reference, image, numbered, attempt)
        found = {} if reply.final else judge_sound(reply.text or "", len(propositions)) or {}
        if len(found) == len(propositions):
            true = tuple(found[i] for i in range(1, len(propositions) + 1))
            return FactualityVerdict(tuple(propositions), true)
        if reply.final:
            break
    return why_unread(reply, "no True or False for every proposition")


def _take_apart(decompose: DecomposePrompt, caption: str) -> Talk[list[str]]:
    for attempt in range(TRIES):
        reply = yield _decomposition(decompose, caption, attempt)
        propositions = None if reply.final else decompose_sound(reply.text or "")
        if propositions is not None:
            return propositions
        if reply.final:
            break
    return why_unread(reply, "no numbered propositions")


def _ask_official(
    decompose: DecomposePrompt, judge: JudgePrompt, caption: str, reference: str, image: str
) -> Talk[FactualityVerdict]:
    for attempt in range(ENDLESS_ROUNDS):
        reply = yield _decomposition(decompose, caption, attempt)
        lines = decompose_official(official_text(reply))
        if not lines:
            return Failed("no propositions were found")
        judged = yield from judge_until_it_fits(judge, reference, image, lines, attempt * ENDLESS)
        if not judged.redo:
            stated = tuple(" ".join(line.split(" ")[1:]) for line in lines)
            return FactualityVerdict(stated, tuple(a == "True" for a in judged.answers))
    raise OfficialCrashError("endless loop")


def judge_until_it_fits(
    judge: JudgePrompt, reference: str, image: str, lines: Sequence[str], first: int = 0
) -> Generator[Request, Reply, Judged]:  # fmt: skip
    """The official judgement: asks until there are as many verdicts as propositions."""
    for attempt in range(ENDLESS):
        reply = yield _judgement(judge, reference, image, lines, first + attempt)
        answers = judge_official(official_text(reply))
        if len(answers) == len(lines):
            return Judged(tuple(answers), redo=attempt >= TRIES)
    raise OfficialCrashError("endless loop")


def _decomposition(decompose: DecomposePrompt, caption: str, attempt: int) -> Request:
    return Request(
        messages=[system(decompose.system), user(text(caption))], prompt=decompose.id,
        max_tokens=MAX_TOKENS, temperature=TEMPERATURE, attempt=attempt,
    )  # fmt: skip


def _judgement(
    judge: JudgePrompt, reference: str, image: str, lines: Sequence[str], attempt: int
) -> Request:  # fmt: skip
    asked = user(text(judge.fill(reference, lines)), picture(image))
    return Request(
        messages=[system(judge.system), asked], prompt=judge.id, max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE, attempt=attempt,
    )  # fmt: skip
