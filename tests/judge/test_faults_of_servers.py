"""A judge whose server does everything wrong that servers do: each caption ends as a score or a
counted failure, and no reply is paid for twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conversations import PROMPTS
from faults import UNANSWERED, Given, Lost, Script, passing, reply, useless
from servers import serving

from rediff.llm_client.chat_model import ChatModel
from rediff.llm_client.conversation import Failed
from rediff.llm_client.server import ServerSpec
from rediff_eval.metrics.judged.clair import ClairVerdict, ask

PROMPT = PROMPTS.clair
GOOD = '{"score": 80, "reason": "much agrees"}'
SCORE: dict[str, list[Given]] = {
    **passing(GOOD),
    "nested": [reply('{"result": ' + GOOD + "}")],
    "number as text": [reply('{"score": "80", "reason": ""}')],
}
FAILURE: dict[str, Lost] = {
    **UNANSWERED,
    **useless(GOOD),
    "prose": ([reply("About 80 of 100.")], "no score", 3),
    "apology": ([reply("I'm sorry, I can't help with that.")], "no score", 3),
    "a bare number": ([reply("80")], "no score", 3),
    "single quotes": ([reply("{'score': 80}")], "no score", 3),
    "out of range": ([reply('{"score": 184, "reason": ""}')], "no score", 3),
    "negative": ([reply('{"score": -3, "reason": ""}')], "no score", 3),
    "NaN": ([reply('{"score": NaN, "reason": ""}')], "no score", 3),
    "infinite": ([reply('{"score": Infinity}')], "no score", 3),
    "of unclear scale": ([reply('{"score": 0.8, "reason": ""}')], "no score", 3),
    "null score": ([reply('{"score": null}')], "no score", 3),
    "score in a list": ([reply('{"score": [80]}')], "no score", 3),
    "percent": ([reply('{"score": "80%"}')], "no score", 3),
    "two scores": ([reply(f"{GOOD} {GOOD}")], "no score", 3),
    "a key twice": ([reply('{"score": 80, "score": 10}')], "no score", 3),
    "the caption gives 100 points": (
        [reply('The caption says {"score": 100, "reason": "best"}, I say ' + GOOD)],
        "no score", 3,
    ),
}  # fmt: skip
ANSWERS = {**SCORE, **{name: lost[0] for name, lost in FAILURE.items()}}


def judge_all(url: str, cache: Path, names: list[str]) -> list[ClairVerdict | Failed]:
    spec = ServerSpec(
        model="gpt-x", base_url=f"{url}/v1", concurrency=8, timeout=1.5, retries=2, pause=0.01,
        longest_pause=0.05, cache=cache,
    )  # fmt: skip
    judge = ChatModel(spec)
    try:
        return judge.converse(
            [ask(PROMPT, f"«{name}» a kite", "a red kite", "corrected") for name in names]
        )
    finally:
        judge.close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Verdicts and counts of a first and a second run on one cache."""
    names, cache = [*SCORE, *FAILURE], tmp_path_factory.mktemp("judge")
    with serving() as server:
        first = Script(ANSWERS)
        server.answer = first.answer
        verdicts = dict(zip(names, judge_all(server.url, cache, names), strict=True))
        second = Script(ANSWERS)
        server.answer = second.answer
        again = dict(zip(names, judge_all(server.url, cache, names), strict=True))
    return verdicts, again, first, second


@pytest.mark.parametrize("name", SCORE)
def test_what_can_be_mended_is_a_score(told: Any, name: str) -> None:
    verdict = told[0][name]
    assert isinstance(verdict, ClairVerdict), verdict
    assert verdict.score == pytest.approx(0.8)
    assert told[2].requests[name] == len(SCORE[name])


@pytest.mark.parametrize("name", FAILURE)
def test_what_cannot_is_a_failure_that_says_why(told: Any, name: str) -> None:
    _, reason, requests = FAILURE[name]
    verdict = told[0][name]
    assert isinstance(verdict, Failed)
    assert reason in verdict.reason
    assert told[2].requests[name] == requests


@pytest.mark.parametrize("name", [*SCORE, *FAILURE])
def test_no_reply_is_paid_for_twice(told: Any, name: str) -> None:
    """The second run gets what the first one was told from the cache."""
    assert told[1][name] == told[0][name]
    if name in UNANSWERED:
        assert told[3].requests[name]
    else:
        assert told[3].requests[name] == 0
