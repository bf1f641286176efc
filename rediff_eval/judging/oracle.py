"""Replies of the oracle: exact, or wrong at a stated rate."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rediff.scenes.scoring import score_caption
from rediff.scenes.statements import holds, scene_of, statements
from rediff_eval.benchmarks.questions import LETTERS, answer_from
from rediff_eval.metrics.judged import caparena, clair, coverage, factuality
from rediff_eval.metrics.judged.prompts import own_prompt

ORACLE = "oracle"
VERSION = 2
"""Increases whenever the same request would get another reply."""
_NUMBERED = re.compile(r"^\d+\. ", re.MULTILINE)
Values = Mapping[str, str]


def error_rate(model: str) -> float:
    """The rate in the name `oracle:RATE`, 0 for `oracle`. Raises ValueError for any other."""
    name, _, rate = model.partition(":")
    try:
        number = float(rate or 0)
    except ValueError:
        number = -1.0
    if name != ORACLE or not 0 <= number <= 1:
        raise ValueError(f"no such judge: {model!r}; there are oracle and oracle:RATE, RATE 0 to 1")
    return number


class Oracle:
    """Answers the requests that our own prompts make about the embedded scenes.

    Coverage and decomposition need the caption alone. Truth comes from the reference, which states
    all of a scene, so the oracle has no table of scenes. With an error rate each verdict (a score,
    a letter, a True or False, a winner) is replaced by a random other one with that probability,
    fixed by the request.
    """

    def __init__(self) -> None:
        sources = (
            (clair.PROMPT, _clair),
            (coverage.PROMPT, _coverage),
            (factuality.DECOMPOSE, _decompose),
            (factuality.JUDGE, _judge),
            (caparena.PROMPT, _arena),
        )
        prompts = [(own_prompt(source), answer) for source, answer in sources]
        self.answers: Sequence[tuple[str, str, Callable[[Values, _Noise], str]]] = [
            (prompt.system, prompt.template or "{caption}", answer) for prompt, answer in prompts
        ]

    def reply(self, body: Mapping[str, Any]) -> str:
        """The text of the reply to a chat request. Raises ValueError for one it does not know."""
        noise = _Noise(error_rate(str(body.get("model"))), body)
        texts = _texts(body)
        for system, template, answer in self.answers:
            asked = texts[1] if system and len(texts) > 1 and texts[0] == system else None
            if not system and len(texts) == 1:
                asked = texts[0]
            values = _read(template, asked) if asked is not None else None
            if values is not None:
                return answer(values, noise)
        raise ValueError("the oracle knows only the package's own prompts")


class _Noise:
    """Draws of one request, the same whenever it is made again."""

    def __init__(self, rate: float, body: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
        self.rate = rate
        self.rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def change(self, right: Any, others: Sequence[Any]) -> Any:
        """`right`, or with the error rate one of `others`."""
        wrong = self.rng.random() < self.rate
        other = others[int(self.rng.integers(len(others)))]
        return other if wrong else right


def _texts(body: Mapping[str, Any]) -> list[str]:
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise ValueError("a request needs messages")
    found = []
    for message in messages:
        content = message.get("content")
        parts = [content] if isinstance(content, str) else [p.get("text") for p in content]
        found.append("".join(part for part in parts if part is not None))
    return found


def _read(template: str, text: str) -> Values | None:
    """The values that a template was filled with; None if the text is not of its form."""
    pieces = re.split(r"\{(\w+)\}", template)
    pattern = "".join(
        f"(?P<{piece}>.*?)" if number % 2 else re.escape(piece)
        for number, piece in enumerate(pieces)
    )
    match = re.fullmatch(pattern, text, re.DOTALL)
    return match.groupdict() if match else None


def _clair(values: Values, noise: _Noise) -> str:
    """100 times the caption's exact CAPTURE score."""
    candidate, reference = (
        values[name].removeprefix("- ").rstrip("\n")
        for name in ("candidate_statements", "target_statements")
    )
    score = round(100 * score_caption(candidate, scene_of(reference))["capture"], 2)
    given = noise.change(score, [round(float(noise.rng.uniform(1, 100)), 2)])
    if 0 < given < 1:
        given = 0.0
    return json.dumps({"score": given, "reason": "facts compared one by one"})


def _coverage(values: Values, noise: _Noise) -> str:
    lines = []
    for number, question in enumerate(_split(values["questions_set"])):
        right = answer_from(values["caption"], question)
        letters = [letter for letter in LETTERS if f"\n{letter})" in question and letter != right]
        given = noise.change(right, letters)
        lines.append(f"{number}. {given or coverage.UNKNOWN}")
    return "\n".join(lines)


def _decompose(values: Values, noise: _Noise) -> str:
    found = statements(values["caption"])
    return "\n".join(f"{i}. {line}" for i, line in enumerate(found, 1)) or factuality.NONE


def _judge(values: Values, noise: _Noise) -> str:
    scene = scene_of(values["gt_caption"])
    verdicts = [
        noise.change(right, [not right])
        for right in (holds(line, scene) for line in _split(values["questions"]))
    ]
    return "\n".join(f"{i}. {verdict}" for i, verdict in enumerate(verdicts, 1))


def _arena(values: Values, noise: _Noise) -> str:
    scene = scene_of(values["caption_ref"])
    one, two = (
        score_caption(values[name], scene)["capture"] for name in ("caption_1", "caption_2")
    )
    verdicts = ["Caption 1 is better", "Caption 2 is better", "Tie"]
    right = verdicts[2] if abs(one - two) < 1e-9 else verdicts[0 if one > two else 1]
    given = noise.change(right, [verdict for verdict in verdicts if verdict != right])
    return f"Reason: facts compared one by one.\nJudgment: {given}"


def _split(numbered: str) -> list[str]:
    """The items of a numbered list, without their numbers."""
    return [item.strip() for item in _NUMBERED.split(numbered) if item.strip()]
