"""Coverage: which questions about a picture can be answered from its caption (CapMAS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rediff.llm_client.conversation import Failed, Reply, Request, Talk, system, text, user
from rediff_eval.metrics.judged.parsing.coverage import read_official, read_sound
from rediff_eval.metrics.judged.prompts import CoveragePrompt
from rediff_eval.metrics.judged.protocols.replies import official_text, why_unread
from rediff_eval.metrics.preset import OfficialCrashError, Preset

TRIES = 3
MAX_TOKENS = 4096
TEMPERATURE = 1e-7


@dataclass(frozen=True, slots=True)
class CoverageVerdict:
    """`correct` of `questions` were answered as the gold letters say; `unread` had no answer."""

    correct: int
    questions: int
    unread: int = 0


def ask(
    prompt: CoveragePrompt, caption: str, questions: Sequence[str], gold: Sequence[str],
    preset: Preset,
) -> Talk[CoverageVerdict]:  # fmt: skip
    """Asks up to three times until every question has its answer.

    `sound`: what stays without an answer is wrong and counted; a reply without any is a failure.
    `official`: raises OfficialCrashError where the answers are too many or too few.
    """
    messages = [
        system(prompt.system), user(text(prompt.fill(caption, questions)))
    ]  # fmt: skip
    best = CoverageVerdict(0, len(gold), len(gold))
    for attempt in range(TRIES):
        reply = yield Request(
            messages=messages, prompt=prompt.id, max_tokens=MAX_TOKENS, temperature=TEMPERATURE,
            attempt=attempt,
        )  # fmt: skip
        if preset == "official":
            answers = read_official(official_text(reply), len(questions))
            if answers is None:
                return Failed("the judge's reply is empty")
            if len(answers) == len(gold) or attempt == TRIES - 1:
                return _compare(answers, gold)
            continue
        verdict = _read(reply, gold)
        if verdict.unread < best.unread:
            best = verdict
        if not best.unread or reply.final:
            break
    return best if best.unread < len(gold) else why_unread(reply, "no answer with its number")


def _read(reply: Reply, gold: Sequence[str]) -> CoverageVerdict:
    answers = {} if reply.final else read_sound(reply.text or "", len(gold)) or {}
    correct = sum(answers.get(i) == letter.upper() for i, letter in enumerate(gold))
    return CoverageVerdict(correct, len(gold), len(gold) - len(answers))


def _compare(answers: Sequence[str], gold: Sequence[str]) -> CoverageVerdict:
    """As NumPy compares arrays: a single answer stands for all questions."""
    given = np.array([answer.lower() for answer in answers])
    try:
        correct = int((given == np.array([letter.lower() for letter in gold])).sum())
    except ValueError as error:
        raise OfficialCrashError("ValueError") from error
    return CoverageVerdict(correct, len(gold))
