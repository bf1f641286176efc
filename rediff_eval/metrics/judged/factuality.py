"""Factuality: which of a caption's propositions are true of the picture.

The judge decomposes the caption into propositions, then says of each whether it is true, seeing
picture and reference. The metric is sum of true ones / sum of propositions over all captions
(CapMAS, arXiv 2412.15484).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from rediff.llm_client.conversation import (
    Conversation,
    Failed,
    Reply,
    Request,
    picture,
    system,
    text,
    user,
)
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
from rediff_eval.metrics.judged.replies import by_number, cut, official_text, why_unread
from rediff_eval.metrics.judged.verdicts import JudgedMetric, score_verdicts
from rediff_eval.metrics.preset import OfficialCrashError, Preset
from rediff_eval.metrics.resources import with_picture

DECOMPOSE = PromptSource(
    "decompose",
    CAPMAS,
    system=OfficialText(
        "eval_factuality.py",
        "prompt_sys",
        "generate_q",
        sha256="8000187763219c9c049e028a46c892cbfec7ab4c07234ccf30e859bb8b257298",
    ),
)
JUDGE = PromptSource(
    "judge",
    CAPMAS,
    system=OfficialText(
        "eval_factuality.py",
        "prompt_sys",
        "generate_a_image",
        sha256="c5a7f7ca1198eec3368a52917785d0f9742182e8a585ae1dd41a16b1ec3900b5",
    ),
    user=OfficialText("eval_factuality.py", "user_input", "generate_a_image"),
)


def fill_judgement(prompt: Prompt, reference: str, propositions: Sequence[str]) -> str:
    """The text with the reference and the propositions, which bring their numbers."""
    return fill(prompt.template, gt_caption=reference, questions="\n".join(propositions))


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


def decompose_corrected(text: str) -> list[str] | None:
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


def judge_corrected(text: str, propositions: int) -> Mapping[int, bool] | None:
    """Verdicts by the number of a proposition, from 1.

    A proposition with two verdicts that differ is left out; None if a number lies outside.
    """
    verdicts = ((int(match[1]), match[2].lower() == "true") for match in _VERDICT.finditer(text))
    return by_number(verdicts, range(1, propositions + 1))


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
    """The result of the official judgement. `redo`: the caption is to be decomposed again."""

    answers: tuple[str, ...]
    redo: bool


def ask(
    decompose: Prompt,
    judge: Prompt,
    caption: str,
    reference: str,
    image: str,
    preset: Preset,
) -> Conversation[FactualityVerdict]:
    """Has the caption decomposed into propositions first, then each judged by picture and
    reference.

    `image`: a data URL. `corrected`: three tries for either; a judgement that stays incomplete is a
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
        found = {} if reply.final else judge_corrected(reply.text or "", len(propositions)) or {}
        if len(found) == len(propositions):
            true = tuple(found[i] for i in range(1, len(propositions) + 1))
            return FactualityVerdict(tuple(propositions), true)
        if reply.final:
            break
    return why_unread(reply, "no True or False for every proposition")


def _take_apart(decompose: Prompt, caption: str) -> Conversation[list[str]]:
    for attempt in range(TRIES):
        reply = yield _decomposition(decompose, caption, attempt)
        propositions = None if reply.final else decompose_corrected(reply.text or "")
        if propositions is not None:
            return propositions
        if reply.final:
            break
    return why_unread(reply, "no numbered propositions")


def _ask_official(
    decompose: Prompt, judge: Prompt, caption: str, reference: str, image: str
) -> Conversation[FactualityVerdict]:
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
    judge: Prompt, reference: str, image: str, lines: Sequence[str], first: int = 0
) -> Generator[Request, Reply, Judged]:
    """The official judgement: asks until there are as many verdicts as propositions."""
    for attempt in range(ENDLESS):
        reply = yield _judgement(judge, reference, image, lines, first + attempt)
        answers = judge_official(official_text(reply))
        if len(answers) == len(lines):
            return Judged(tuple(answers), redo=attempt >= TRIES)
    raise OfficialCrashError("endless loop")


def _decomposition(decompose: Prompt, caption: str, attempt: int) -> Request:
    return Request(
        messages=[system(decompose.system), user(text(caption))],
        prompt=decompose.id,
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
        attempt=attempt,
    )


def _judgement(
    judge: Prompt, reference: str, image: str, lines: Sequence[str], attempt: int
) -> Request:
    asked = user(text(fill_judgement(judge, reference, lines)), picture(image))
    return Request(
        messages=[system(judge.system), asked],
        prompt=judge.id,
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
        attempt=attempt,
    )


@register_metric(
    "factuality",
    infos=[MetricInfo("factuality"), MetricInfo("factuality_worst")],
    judge=JudgeLoad(calls=2, tokens_in=2000, tokens_out=400, sees_picture=True),
    prompts=[DECOMPOSE, JUDGE],
)
class FactualityMetric(JudgedMetric):
    """`factuality`: the share of all propositions of the captions that are true.

    Long captions predict more; one that states nothing adds nothing. A caption that states less
    errs less, so look at `coverage` beside it. As the worst, a failed caption counts as many false
    propositions as the others have on average. `corrected`: tries are bounded, propositions count
    once. `official`: as the authors read replies.
    """

    name = "factuality"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        verdicts = self.resources.judge_all(
            "Factuality",
            [
                self._conversation(sample, answer)
                for sample, answer in zip(samples, answers, strict=True)
            ],
        )
        return score_verdicts(
            "factuality",
            samples,
            verdicts,
            row=lambda verdict: (sum(verdict.true), len(verdict.true)),
            worst=lambda sample, rows: (0, float(np.mean([whole for _, whole in rows]))),
            detail=asdict,
        )

    def _conversation(self, sample: Sample, answer: Answer) -> Conversation[FactualityVerdict]:
        decompose, judge = (self.resources.prompt(source) for source in (DECOMPOSE, JUDGE))
        preset = self.resources.preset
        reference = sample.references[0]

        def make(image: str) -> Conversation[FactualityVerdict]:
            return ask(decompose, judge, answer.text, reference, image, preset)

        return with_picture(sample.data_url, make)
