"""A judge whose server does everything wrong that servers do: each caption ends as a score or a
counted failure, and no reply is paid for twice."""

from __future__ import annotations

import email.utils
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import Answer, completion, serving

from rediff_eval.judge.judge import Judge
from rediff_eval.judge.prompts import own_prompts
from rediff_eval.judge.protocols.clair import ClairVerdict, ask
from rediff_eval.judge.spec import JudgeSpec
from rediff_eval.judge.talk import Failed

PROMPT = own_prompts().clair
GOOD = '{"score": 80, "reason": "much agrees"}'
JSON = {"Content-Type": "application/json"}
HANG = "hang"
DROP = "drop"


def status(code: int, message: str = "no", *, name: str | None = None, **headers: str) -> Answer:
    body = {"error": {"message": message, "type": "x", "code": name}}
    return code, {**JSON, **{k.replace("_", "-"): v for k, v in headers.items()}}, json.dumps(
        body
    ).encode()  # fmt: skip


def raw(content: bytes, **headers: str) -> Answer:
    return 200, {**JSON, **headers}, content


def reply(text: str | None, **choice: Any) -> Answer:
    return completion(text, 5, **choice)


def changed(**fields: Any) -> Answer:
    """A completion with some of its fields replaced."""
    whole = json.loads(completion(GOOD, 5)[2])
    return raw(json.dumps({**whole, **fields}).encode())


HALF = raw(completion(GOOD, 5)[2][:60], **{"Content-Length": "900"})
FINE = reply(GOOD)
SCORE: dict[str, list[Any]] = {
    "a plain answer": [FINE],
    "rate limit": [status(429), FINE],
    "rate limit with seconds": [status(429, Retry_After="0.05"), FINE],
    "rate limit with a date": [
        status(429, Retry_After=email.utils.formatdate(time.time() - 5, usegmt=True)),
        FINE,
    ],
    "rate limit with nonsense": [status(429, Retry_After="soon"), FINE],
    "server error": [status(500), FINE],
    "bad gateway in HTML": [(502, {"Content-Type": "text/html"}, b"<h1>Bad</h1>"), FINE],
    "overloaded": [status(529), status(503), FINE],
    "time-out at the server": [status(408), FINE],
    "half a body": [HALF, FINE],
    "no JSON": [raw(b"{not json"), FINE],
    "no body": [raw(b""), FINE],
    "connection dropped": [DROP, FINE],
    "hangs once": [HANG, FINE],
    "no choices": [changed(choices=[]), FINE],
    "choices are null": [changed(choices=None), FINE],
    "off format, then right": [reply("I like it."), FINE],
    "in a fence": [reply(f"```json\n{GOOD}\n```")],
    "with prose around": [reply(f"Here: {GOOD} Bye.")],
    "nested": [reply('{"result": ' + GOOD + "}")],
    "number as text": [reply('{"score": "80", "reason": ""}')],
}
FAILURE: dict[str, tuple[list[Any], str, int]] = {
    "rate limit for ever": ([status(429)], "429", 3),
    "server error for ever": ([status(500)], "500", 3),
    "half a body for ever": ([HALF], "no whole answer", 3),
    "HTML for ever": ([raw(b"<html>")], "answer", 3),
    "hangs for ever": ([HANG], "in time", 3),
    "dropped for ever": ([DROP], "no whole answer", 3),
    "bad request": ([status(400, "too long")], "too long", 1),
    "wrong key": ([status(401, "bad key")], "bad key", 1),
    "forbidden": ([status(403)], "403", 1),
    "no such model": ([status(404, "no model")], "no model", 1),
    "filtered": ([status(400, name="content_filter")], "refused", 1),
    "message missing": ([changed(choices=[{"index": 0, "finish_reason": "stop"}])], "answer", 3),
    "text is a number": (
        [changed(choices=[{"index": 0, "message": {"role": "assistant", "content": 7}}])],
        "answer", 3,
    ),
    "choices are words": ([changed(choices=["x"])], "answer", 3),
    "tokens are words": ([changed(usage={"prompt_tokens": "12"})], "answer", 3),
    "JSON array": ([raw(b"[1, 2]")], "answer", 3),
    "a bare text": ([raw(b'"hello"')], "answer", 3),
    "null text": ([reply(None)], "empty", 3),
    "empty text": ([reply("")], "empty", 3),
    "blank text": ([reply(" \n")], "empty", 3),
    "refusal": ([reply(None, message={"role": "assistant", "content": None, "refusal": "no"})],
                "refused", 1),
    "refusal with text": ([reply(GOOD, finish_reason="content_filter")], "refused", 1),
    "cut off": ([reply('{"score": 8', finish_reason="length")], "cut off", 3),
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
ASKED_AGAIN = ("ever", "bad request", "wrong key", "forbidden", "no such model", "missing",
               "a number", "are words", "JSON array", "a bare text")  # fmt: skip
"""Parts of the names of failures that are no replies, so the next run asks again."""


@dataclass
class Script:
    """Answers by the name of the kind, which stands in the caption; counts whole replies."""

    requests: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)

    def answer(self, method: str, path: str, body: Any) -> Answer:
        text = body["messages"][0]["content"][0]["text"]
        name = text.split("«")[1].split("»")[0]
        replies = SCORE[name] if name in SCORE else FAILURE[name][0]
        given = replies[min(self.requests[name], len(replies) - 1)]
        self.requests[name] += 1
        if given == HANG:
            time.sleep(2.0)
            given = status(500)
        if given == DROP:
            raise ConnectionAbortedError
        self.paid[name] += given[0] == 200 and given not in (HALF,) and b'"usage"' in given[2]
        return given


def judge_all(url: str, cache: Path, names: list[str]) -> list[ClairVerdict | Failed]:
    spec = JudgeSpec(
        model="gpt-x", base_url=f"{url}/v1", concurrency=8, timeout=0.8, retries=2, pause=0.01,
        longest_pause=0.05, cache=cache,
    )  # fmt: skip
    judge = Judge(spec)
    try:
        return judge.hold(
            [ask(PROMPT, f"«{name}» a kite", "a red kite", "sound") for name in names]
        )
    finally:
        judge.close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Verdicts and counts of a first and a second run on one cache."""
    names, cache = [*SCORE, *FAILURE], tmp_path_factory.mktemp("judge")
    with serving() as server:
        first = Script()
        server.answer = first.answer
        verdicts = dict(zip(names, judge_all(server.url, cache, names), strict=True))
        second = Script()
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
    if any(part in name for part in ASKED_AGAIN):
        assert told[3].requests[name]
    else:
        assert told[3].requests[name] == 0
