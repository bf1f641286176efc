"""CapArena-Auto: which of two captions describes the picture better.

Each of 600 pictures has the caption of one of three reference models; a win is 1 point, a loss -1,
a tie 0. The metric is 100 times the mean over reference models of the mean points per picture, so
it lies between -100 and 100 (Cheng et al. 2025, arXiv 2503.12329).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rediff.llm_client.conversation import (
    Conversation,
    Failed,
    Request,
    picture,
    system,
    text,
    user,
)
from rediff.llm_client.prompt import Prompt, fill
from rediff_eval.benchmarks.sample import Rival, Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import JudgeLoad, MetricInfo, Scored, Scores, register_metric
from rediff_eval.metrics.judged.battles import (
    FIRST,
    SECOND,
    TIE,
    VERDICTS,
    corrected_average,
    official_average,
    points_of,
    row_of,
    stands_first,
)
from rediff_eval.metrics.judged.prompts import CAPARENA, OfficialText, PromptSource
from rediff_eval.metrics.judged.replies import why_unread
from rediff_eval.metrics.judged.verdicts import JudgedMetric, score_verdicts
from rediff_eval.metrics.preset import OfficialCrashError, Preset
from rediff_eval.metrics.resources import with_picture

PROMPT = PromptSource(
    "arena",
    CAPARENA,
    system=OfficialText(
        "vlm_as_a_judge.py",
        "system_prompt_with_ref",
        sha256="7476b6f3d0c6c2e8c2e4e93e254eb496a80dfd3b461546fe31d2d239de143b32",
    ),
    user=OfficialText(
        "vlm_as_a_judge.py",
        "compare_prompt",
        "mllm_judge_pairs",
        sha256="c4a0042ffe3e54c3dc3c224f64cc4d2a8acf98c96e99e941f16c98274a9c99cd",
        example={
            "caption_1": "{caption_1}",
            "caption_2": "{caption_2}",
            "caption_ref": "{reference}",
        },
    ),
)


def fill_prompt(prompt: Prompt, first: str, second: str, reference: str) -> str:
    """The text with both captions and the reference."""
    return fill(prompt.template, caption_1=first, caption_2=second, caption_ref=reference)


_CORRECTED = re.compile(r"(?:caption\s*([12])\s+is\s+better|(tie))", re.IGNORECASE)
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


def read_corrected(text: str) -> int | None:
    """`FIRST`, `SECOND` or `TIE`; None for anything but one clear verdict.

    A line that begins with "Judgment:" is wanted; letter case, emphasis, brackets and a full stop
    do not matter. Several such lines must agree.
    """
    found = {_verdict(label[1]) for label in _LABEL.finditer(text)}
    return found.pop() if len(found) == 1 else None


def _verdict(text: str) -> int | None:
    match = _CORRECTED.fullmatch(text.strip(" \t\r*_<>\"'.!`"))
    if match is None:
        return None
    return TIE if match[2] else int(match[1])


TRIES = 5
SOUND_TRIES = 3
MAX_TOKENS = 1500
TEMPERATURE, TOP_P = 0.1, 0.9
TOO_LONG = "context_length_exceeded"


@dataclass(frozen=True, slots=True)
class ArenaVerdict:
    """`winner`: 1, 2, or 0 for a tie; None where the official scorer ignores the text."""

    winner: int | None
    text: str


def ask(
    prompt: Prompt, first: str, second: str, reference: str, image: str, preset: Preset
) -> Conversation[ArenaVerdict]:
    """Asks up to five times (`corrected`: three). `image`: a data URL.

    `official`: failed calls are tries too, one that was too long is sent once more and its second
    reply thrown away. Raises OfficialCrashError where the API sends no text.
    """
    asked = user(picture(image, "high"), text(fill_prompt(prompt, first, second, reference)))
    request = Request(
        messages=[system(prompt.system), asked],
        prompt=prompt.id,
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
        top_p=TOP_P,
    )
    sent = itertools.count()
    for _ in range(TRIES if preset == "official" else SOUND_TRIES):
        reply = yield replace(request, attempt=next(sent))
        if preset == "corrected":
            winner = None if reply.final else read_corrected(reply.text or "")
            if winner is not None:
                return ArenaVerdict(winner, reply.text or "")
            if reply.final:
                break
            continue
        if reply.code == TOO_LONG:
            yield replace(request, attempt=next(sent))
        verdict = read_official("" if reply.final else reply.text)
        if verdict is not None:
            return ArenaVerdict(VERDICTS.get(verdict), verdict)
    return why_unread(reply, "no judgement that is clear")


Duel = tuple[str, float, tuple[str, ...]]
"""The rival, the model's points from -1 to 1, and the judge's reply."""


@register_metric(
    "caparena",
    infos=[
        MetricInfo("caparena", digits=1),
        MetricInfo("caparena_worst", digits=1),
        MetricInfo("words", digits=1),
    ],
    judge=JudgeLoad(calls=1, tokens_in=2100, tokens_out=150, sees_picture=True, both_orders=True),
    prompts=[PROMPT],
)
class CapArenaMetric(JudgedMetric):
    """`caparena`, -100 to 100: wins minus losses against the pictures' reference models.

    `corrected`: each pair is judged in both orders and its points are their mean; per reference
    model points over judged pairs, then the mean over the models, times 100. `official`: one order
    by a seeded coin; per model points over 2, however many pairs there are, then a third of the
    sum; verdicts that the official scorer does not know act as ties. Both scales agree for 200
    pairs a model. `words`: mean length, in pieces between single spaces.
    """

    name = "caparena"

    def lacks(self, sample: Sample) -> str | None:
        known = sample.rival and sample.references
        return None if known else "needs the caption of a reference model"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        places = [self._orders(sample) for sample in samples]
        conversations = [
            self._conversation(sample, answer.text, first)
            for sample, answer, orders in zip(samples, answers, places, strict=True)
            for first in orders
        ]
        verdicts = iter(self.resources.judge_all("CapArena", conversations))
        duels = [
            self._duel(sample, [(first, next(verdicts)) for first in orders])
            for sample, orders in zip(samples, places, strict=True)
        ]
        rivals = sorted({sample.rival.model for sample in samples if sample.rival})
        official = self.resources.preset == "official"
        found = score_verdicts(
            "caparena",
            samples,
            duels,
            detail=_detail,
            row=lambda duel: row_of(duel[0], duel[1], rivals),
            worst=lambda sample, rows: row_of(_rival_of(sample).model, -1.0, rivals),
            aggregate=official_average if official else corrected_average,
            value=lambda row: (1 if official else 100) * sum(row[: len(rivals)]),
        )
        words = Scores.of([len(answer.text.split(" ")) for answer in answers])
        return replace(found, scores={**found.scores, "words": words})

    def _orders(self, sample: Sample) -> tuple[bool, ...]:
        """Whether the model's caption comes first, for each time that a pair is judged."""
        if self.resources.preset == "official":
            return (stands_first(self.resources.seed, sample.id),)
        return (True, False)

    def _conversation(
        self, sample: Sample, caption: str, first: bool
    ) -> Conversation[ArenaVerdict]:
        assert sample.rival is not None
        one, two = (caption, sample.rival.caption)[:: 1 if first else -1]
        prompt, preset = self.resources.prompt(PROMPT), self.resources.preset
        return with_picture(
            sample.data_url,
            lambda image: ask(prompt, one, two, sample.references[0], image, preset),
        )

    def _duel(
        self, sample: Sample, judged: Sequence[tuple[bool, ArenaVerdict | Failed]]
    ) -> Duel | Failed:
        verdicts: list[ArenaVerdict] = []
        for _, verdict in judged:
            if isinstance(verdict, Failed):
                return verdict
            verdicts.append(verdict)
        points = [
            0 if verdict.winner is None else points_of(verdict.winner, FIRST if first else SECOND)
            for (first, _), verdict in zip(judged, verdicts, strict=True)
        ]
        said = tuple(verdict.text for verdict in verdicts)
        return _rival_of(sample).model, float(np.mean(points)), said


def _rival_of(sample: Sample) -> Rival:
    assert sample.rival is not None
    return sample.rival


def _detail(duel: Duel) -> dict[str, object]:
    rival, points, said = duel
    return {"rival": rival, "points": points, "said": list(said)}
