"""All that servers do wrong, by name, for whatever the good reply is."""

from __future__ import annotations

import email.utils
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servers import Answer, completion

JSON = {"Content-Type": "application/json"}
HANG = "hang"
DROP = "drop"
Given = Answer | str
"""An answer, or what the server does instead."""
Lost = tuple[list[Given], str, int]
"""Answers in turn, the last one again and again; a part of the reason; how many are asked for."""


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
    whole = json.loads(completion("x", 5)[2])
    return raw(json.dumps({**whole, **fields}).encode())


def counted(text: str, usage: object) -> Answer:
    """A completion with other counts of tokens, or none."""
    whole = json.loads(completion(text, 5)[2])
    return raw(json.dumps({**whole, "usage": usage}).encode())


def parts(kind: str, text: str) -> Answer:
    """A completion whose content is a list, reasoning first."""
    aloud = {"type": kind, kind: [{"type": "text", "text": "hmm, 40?"}]}
    content = [aloud, {"type": "text", "text": text}]
    return reply(None, message={"role": "assistant", "content": content})


def thought(text: str) -> dict[str, str]:
    """A message with reasoning in a field of its own."""
    return {"role": "assistant", "content": text, "reasoning_content": "hmm, 40?"}


def answered_error(code: int) -> Answer:
    """An error of another server within an answer of status 200."""
    return raw(json.dumps({"error": {"message": "Provider returned error", "code": code}}).encode())


HALF = raw(completion("x" * 40, 5)[2][:60], **{"Content-Length": "900"})


def passing(good: str) -> dict[str, list[Given]]:
    """Faults that pass, each with what the server does in turn until `good` comes."""
    fine = reply(good)
    past = email.utils.formatdate(time.time() - 5, usegmt=True)
    return {
        "a plain answer": [fine],
        "rate limit": [status(429), fine],
        "rate limit with seconds": [status(429, Retry_After="0.05"), fine],
        "rate limit with a date": [status(429, Retry_After=past), fine],
        "rate limit with nonsense": [status(429, Retry_After="soon"), fine],
        "server error": [status(500), fine],
        "bad gateway in HTML": [(502, {"Content-Type": "text/html"}, b"<h1>Bad</h1>"), fine],
        "overloaded": [status(529), status(503), fine],
        "time-out at the server": [status(408), fine],
        "half a body": [HALF, fine],
        "no JSON": [raw(b"{not json"), fine],
        "no body": [raw(b""), fine],
        "connection dropped": [DROP, fine],
        "hangs once": [HANG, fine],
        "no choices": [changed(choices=[]), fine],
        "choices are null": [changed(choices=None), fine],
        "off format, then right": [reply("I like it."), fine],
        "tokens are words": [counted(good, {"prompt_tokens": "12"})],
        "tokens are null": [counted(good, {"prompt_tokens": None, "completion_tokens": None})],
        "tokens are not counted": [counted(good, None)],
        "thinking in front": [reply(f"<think>\nNo: {good[:9]} 40?\n</think>\n\n{good}")],
        "thinking that the template began": [reply(f"Perhaps {good[:9]}...</think>{good}")],
        "a list of parts": [parts("thinking", good)],
        "a reasoning field": [reply(good, message=thought(good))],
        "an error in an answer": [answered_error(502), fine],
        "in a fence": [reply(f"```json\n{good}\n```")],
        "with prose around": [reply(f"Here: {good} Bye.")],
    }


UNANSWERED: Mapping[str, Lost] = {
    "rate limit for ever": ([status(429)], "429", 3),
    "server error for ever": ([status(500)], "500", 3),
    "half a body for ever": ([HALF], "no whole answer", 3),
    "HTML for ever": ([raw(b"<html>")], "answer", 3),
    "hangs for ever": ([HANG], "in time", 3),
    "dropped for ever": ([DROP], "no whole answer", 3),
    "bad request": ([status(400, "too long")], "too long", 1),
    "wrong key": ([status(401, "bad key")], "bad key", 1),
    "forbidden": ([status(403)], "403", 1),
    "upstream error for ever": ([answered_error(429)], "Provider returned error", 3),
    "quota is spent": ([status(429, "quota", name="insufficient_quota")], "quota", 1),
    "no such model": ([status(404, "no model")], "no model", 1),
    "message missing": ([changed(choices=[{"index": 0, "finish_reason": "stop"}])], "answer", 3),
    "text is a number": (
        [changed(choices=[{"index": 0, "message": {"role": "assistant", "content": 7}}])],
        "answer", 3,
    ),
    "choices are words": ([changed(choices=["x"])], "answer", 3),
    "JSON array": ([raw(b"[1, 2]")], "answer", 3),
    "a bare text": ([raw(b'"hello"')], "answer", 3),
}  # fmt: skip
"""Calls that are given up after two retries, or at once, without any reply."""


def useless(good: str) -> dict[str, Lost]:
    """Replies that cannot be used, whatever was asked for."""
    refusal = {"role": "assistant", "content": None, "refusal": "no"}
    return {
        "filtered": ([status(400, name="content_filter")], "refused", 1),
        "null text": ([reply(None)], "empty", 3),
        "empty text": ([reply("")], "empty", 3),
        "blank text": ([reply(" \n")], "empty", 3),
        "refusal": ([reply(None, message=refusal)], "refused", 1),
        "refusal with text": ([reply(good, finish_reason="content_filter")], "refused", 1),
        "cut off": ([reply(good[:9], finish_reason="length")], "cut off at 5 tokens", 3),
        "cut off while reasoning": (
            [reply(None, finish_reason="length", message=thought(""))],
            "cut off at 5 tokens while reasoning",
            3,
        ),
        "reasoning alone": ([reply(None, message=thought(""))], "empty", 3),
    }


@dataclass
class Script:
    """Answers by the name of the fault, which is between « and » in the question.

    `requests` counts them, `paid` the replies that came whole, by names.
    """

    answers: Mapping[str, Sequence[Given]]
    requests: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)

    def answer(self, method: str, path: str, body: Any) -> Answer:
        name = json.dumps(body, ensure_ascii=False).split("«")[1].split("»")[0]
        replies = self.answers[name]
        given = replies[min(self.requests[name], len(replies) - 1)]
        self.requests[name] += 1
        if given == HANG:
            time.sleep(3.0)
            given = status(500)
        if given == DROP:
            raise ConnectionAbortedError
        assert isinstance(given, tuple)
        self.paid[name] += given[0] == 200 and given is not HALF and b'"usage"' in given[2]
        return given
