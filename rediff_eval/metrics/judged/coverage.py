"""Coverage: which questions about a picture can be answered from its caption.

The judge answers the picture's multiple-choice questions, seeing the caption only. The metric is
sum of right answers / sum of questions over all captions (CapMAS, arXiv 2412.15484).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from rediff.llm_client.conversation import (
    Conversation,
    Failed,
    Reply,
    Request,
    system,
    text,
    user,
)
from rediff.llm_client.prompt import Prompt, fill
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import JudgeLoad, MetricInfo, Scored, register_metric
from rediff_eval.metrics.judged.prompts import CAPMAS, OfficialText, PromptSource
from rediff_eval.metrics.judged.replies import by_number, cut, official_text, why_unread
from rediff_eval.metrics.judged.verdicts import JudgedMetric, score_verdicts
from rediff_eval.metrics.preset import OfficialCrashError, Preset

PROMPT = PromptSource(
    "coverage",
    CAPMAS,
    system=OfficialText(
        "eval_coverage.py",
        "prompt_sys",
        "generate_a_caption",
        sha256="5ba5662366f0f70e8a418757a3bd22b3355a28cee614a3dc9e43679a2ff29cbc",
    ),
    user=OfficialText(
        "eval_coverage.py",
        "user_input",
        "generate_a_caption",
        sha256="9f96ef01b9850f28141a553f7e069f860628d1698a430a06c6982f399719a6e5",
        example={
            "caption": "{caption}",
            "questions_set": "0. {question_0}\n\n1. {question_1}",
        },
    ),
)


def fill_prompt(prompt: Prompt, caption: str, questions: Sequence[str]) -> str:
    """The text with the caption and the questions, numbered from 0."""
    numbered = "\n\n".join(f"{i}. {question}" for i, question in enumerate(questions))
    return fill(prompt.template, caption=caption, questions_set=numbered)


UNKNOWN = "I don't know"
_ANSWER = re.compile(
    r"""(?<![\w.])(\d{1,4})\s*[.):]\s* # its number
    (?:[(\["'*]*([A-Za-z])              # a letter, marked or not,
    (?=\s*(?:[)\].:,*"']|$|\s\d+\s*[.):]))   # that ends there
    |[Ii]\ don['\u2019]t\ know)""",
    re.VERBOSE | re.MULTILINE,
)


def read_official(text: str | None, questions: int) -> list[str] | None:
    """The official program's answers; None where it skips the picture."""
    if text is None:
        raise OfficialCrashError("AttributeError")
    if text == "":
        return None
    if text in (UNKNOWN, f"{UNKNOWN}."):
        return [UNKNOWN] * questions
    return cut(text)[1::2]


def read_corrected(text: str, questions: int) -> Mapping[int, str] | None:
    """Upper-case letters by question number, from 0; "" where the judge does not know.

    A number that is answered twice, in two ways, is left out. None if nothing is read, or if a
    number lies outside: then the judge has numbered in its own way.
    """
    if text.strip().rstrip(".").replace("\u2019", "'").lower() == UNKNOWN.lower():
        return dict.fromkeys(range(questions), "")
    letters = ((int(match[1]), (match[2] or "").upper()) for match in _ANSWER.finditer(text))
    return by_number(letters, range(questions)) or None


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
    prompt: Prompt,
    caption: str,
    questions: Sequence[str],
    gold: Sequence[str],
    preset: Preset,
) -> Conversation[CoverageVerdict]:
    """Asks up to three times until every question has its answer.

    `corrected`: a question that stays without an answer is wrong and counted; a reply without any
    is a failure. `official`: raises OfficialCrashError where the answers are too many or too few.
    """
    messages = [system(prompt.system), user(text(fill_prompt(prompt, caption, questions)))]
    best = CoverageVerdict(0, len(gold), len(gold))
    for attempt in range(TRIES):
        reply = yield Request(
            messages=messages,
            prompt=prompt.id,
            max_tokens=MAX_TOKENS,
            temperature=TEMPERATURE,
            attempt=attempt,
        )
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
    answers = {} if reply.final else read_corrected(reply.text or "", len(gold)) or {}
    correct = sum(answers.get(i) == letter.upper() for i, letter in enumerate(gold))
    return CoverageVerdict(correct, len(gold), len(gold) - len(answers))


def _compare(answers: Sequence[str], gold: Sequence[str]) -> CoverageVerdict:
    """As NumPy compares arrays: a single answer is compared with all questions."""
    given = np.array([answer.lower() for answer in answers])
    try:
        correct = int((given == np.array([letter.lower() for letter in gold])).sum())
    except ValueError as error:
        raise OfficialCrashError("ValueError") from error
    return CoverageVerdict(correct, len(gold))


@register_metric(
    "coverage",
    infos=[MetricInfo("coverage"), MetricInfo("coverage_worst")],
    judge=JudgeLoad(calls=1, tokens_in=1350, tokens_out=300),
    prompts=[PROMPT],
)
class CoverageMetric(JudgedMetric):
    """`coverage`: the share of all questions about the pictures that captions answer rightly.

    `corrected`: answers are read by their numbers, and a missing answer is wrong. `official`:
    as the authors read replies, in which a preamble costs all points and one letter may count for
    all.
    """

    name = "coverage"

    def lacks(self, sample: Sample) -> str | None:
        return None if sample.questions else "needs questions about the picture"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        prompt, preset = self.resources.prompt(PROMPT), self.resources.preset
        verdicts = self.resources.judge_all(
            "Coverage",
            [
                ask(
                    prompt,
                    answer.text,
                    [q.text for q in sample.questions],
                    [q.answer for q in sample.questions],
                    preset,
                )
                for sample, answer in zip(samples, answers, strict=True)
            ],
        )
        return score_verdicts(
            "coverage",
            samples,
            verdicts,
            row=lambda verdict: (verdict.correct, verdict.questions),
            worst=lambda sample, rows: (0, len(sample.questions)),
            detail=asdict,
        )
