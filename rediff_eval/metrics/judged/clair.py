"""CLAIR: how likely a candidate describes the same picture as a reference.

The judge gives a score s from 0 to 100; a caption's value is s / 100 and the metric the mean over
captions (Chan et al. 2023, arXiv 2310.12971; as CapMAS asks it, arXiv 2412.15484).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rediff.llm_client.conversation import Conversation, Failed, Request, system
from rediff.llm_client.json_objects import objects
from rediff.llm_client.prompt import Prompt, fill
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import (
    JudgeLoad,
    MetricInfo,
    Scored,
    register_metric,
)
from rediff_eval.metrics.judged.prompts import CAPMAS, OfficialText, PromptSource
from rediff_eval.metrics.judged.replies import official_text, why_unread
from rediff_eval.metrics.judged.verdicts import JudgedMetric, Row, score_verdicts
from rediff_eval.metrics.preset import OfficialCrashError, Preset

PROMPT = PromptSource(
    "clair",
    CAPMAS,
    user=OfficialText(
        "eval_clair.py",
        "_CLAIR_PROMPT",
        sha256="7b3744103e570fca208c0dd9a651dba28c351892425212133fb2861f9818eb6e",
    ),
)


def fill_prompt(prompt: Prompt, candidate: str, reference: str) -> str:
    """The text with one candidate and one reference, each as a list of one."""
    return fill(
        prompt.template,
        candidate_statements=f"- {candidate}\n",
        target_statements=f"- {reference}\n",
    )


ScoredReply = tuple[float, Any]
"""A score, 0 to 1 by intention, and the reason, officially of any JSON type."""


def read_official(text: str | None) -> ScoredReply | None:
    """The score that both official programs read from a reply; None where they ask again.

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


def _first_number(text: str) -> ScoredReply | None:
    numbers = re.findall(r"\d*\.?\d+", text)
    if not numbers:
        return None
    score = float(numbers[0])
    reasons = re.findall(r"(?i)reason.*", text)
    reason = reasons[0].strip()[len("reason") :].replace(":", "").strip() if reasons else "Unknown"
    return (score * 100 if score < 1 else score) / 100, reason


def read_corrected(text: str) -> ScoredReply | None:
    """The score of the one JSON object that has one; None for anything else.

    None too for several such objects (a caption may bring its own), a score that is not a
    number from 0 to 100, or one between 0 and 1, whose scale is not clear.
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


TRIES = 3
MAX_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class ClairVerdict:
    """A score, 0 to 1 by intention, and the judge's reason (officially of any JSON type)."""

    score: float
    reason: Any


def ask(
    prompt: Prompt, candidate: str, reference: str, preset: Preset
) -> Conversation[ClairVerdict]:
    """Asks up to three times. Raises OfficialCrashError under `official`."""
    message = system(fill_prompt(prompt, candidate, reference))
    for attempt in range(TRIES):
        reply = yield Request(
            messages=[message],
            prompt=prompt.id,
            max_tokens=MAX_TOKENS,
            temperature=0.0,
            attempt=attempt,
        )
        if preset == "official":
            found = read_official(official_text(reply))
        else:
            found = None if reply.final else read_corrected(reply.text or "")
        if found is not None:
            return ClairVerdict(*found)
        if reply.final and preset == "corrected":
            break
    return why_unread(reply, "no score that is clear")


@register_metric(
    "clair",
    infos=[MetricInfo("clair"), MetricInfo("clair_worst")],
    judge=JudgeLoad(calls=1, tokens_in=500, tokens_out=100),
    prompts=[PROMPT],
)
class ClairMetric(JudgedMetric):
    """`clair`, 0 to 1: how likely the caption describes the picture of its first reference.

    `corrected`: scores out of range, unclear ones and several at once do not count as scores.
    `official`: as the authors read replies, out-of-range scores included; a score without a
    reason is added to the sum but not to the count.
    """

    name = "clair"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        preset, prompt = self.resources.preset, self.resources.prompt(PROMPT)
        verdicts = self.resources.judge_all(
            "CLAIR",
            [
                ask(prompt, answer.text, sample.references[0], preset)
                for sample, answer in zip(samples, answers, strict=True)
            ],
        )
        return score_verdicts(
            "clair",
            samples,
            verdicts,
            row=official_row if preset == "official" else lambda verdict: (verdict.score, 1),
            worst=lambda sample, rows: (0, 1),
            detail=lambda verdict: {"score": verdict.score, "reason": verdict.reason},
        )


def official_row(verdict: ClairVerdict | Failed) -> Row:
    """The terms that CapMAS adds to its sum and to its count."""
    if isinstance(verdict, Failed):
        return (0.0, 0)
    return (verdict.score, int(verdict.reason is not None))
