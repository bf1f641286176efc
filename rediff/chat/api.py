"""One call to a model, until it is answered or given up."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import openai
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rediff.chat.spec import ServerSpec
from rediff.chat.talk import Reply
from rediff.suggest import explain

TEMPORARY = frozenset({408, 409, 425, 429})
"""Statuses that may pass, beside those from 500 on."""
REJECTED = frozenset({400, 413, 422})
"""Statuses by which a server says that it will not take a request as it is."""
FILTERED = "content_filter"
NO_KEY = "none"
"""Sent to servers that want no key."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
LONGEST_ASKED = 600.0
"""Seconds that a server is waited for at most when it asks to be."""


class Stopped(Exception):  # noqa: N818 - no error: whoever asked has gone
    """Nobody waits for the reply any more, and no call is under way."""


class Caller:
    """Calls one server from several threads, within its limits."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.stopping = threading.Event()
        self.turn = threading.Lock()
        self.next_turn = 0.0
        self.client = open_client(spec)

    def call(self, body: Mapping[str, Any]) -> Reply:
        """The reply, or the last error once all retries are spent.

        Server errors, rate limits, time-outs and broken replies are tried again; a request that is
        refused as such (a wrong key or model) is not. Raises Stopped between two tries.
        """
        for tried in range(self.spec.retries + 1):
            self._wait_for_turn()
            try:
                return read_completion(self.client.chat.completions.create(**body))
            except openai.APIStatusError as error:
                if filtered(error):
                    return Reply(finish=FILTERED)
                if error.status_code not in TEMPORARY and error.status_code < 500:
                    rejected = error.status_code in REJECTED
                    return Reply(error=describe(error), code=error.code, rejected=rejected)
                last, pause = describe(error), asked_pause(error.response.headers)
                code = error.code
            except (openai.OpenAIError, ValueError) as error:
                last, pause, code = describe(error), None, None
            if tried < self.spec.retries:
                self._sleep(self._pause(tried) if pause is None else min(pause, LONGEST_ASKED))
        return Reply(error=f"{last} ({self.spec.retries + 1} tries)", code=code)

    def _pause(self, tried: int) -> float:
        longest = min(self.spec.pause * 2**tried, self.spec.longest_pause)
        return longest * random.uniform(0.5, 1.0)

    def _wait_for_turn(self) -> None:
        if self.spec.per_minute is not None:
            with self.turn:
                now = time.monotonic()
                start = max(now, self.next_turn)
                self.next_turn = start + 60.0 / self.spec.per_minute
            self._sleep(start - now)
        if self.stopping.is_set():
            raise Stopped

    def _sleep(self, seconds: float) -> None:
        if self.stopping.wait(max(seconds, 0.0)):
            raise Stopped


def open_client(spec: ServerSpec, *, retries: int = 0) -> openai.OpenAI:
    """The client of a server, of which a call is tried again `retries` times by itself.

    A server on this machine gets neither the key nor a proxy between. Raises ValueError if a key
    is wanted and none is set.
    """
    near = spec.base_url is not None and urlsplit(spec.base_url).hostname in LOOPBACK
    key = os.environ.get("OPENAI_API_KEY")
    if not key and spec.base_url is None:
        raise ValueError(
            "a model of OpenAI's needs a key: set OPENAI_API_KEY, or name the address of a server"
            " of your own"
        )
    return openai.OpenAI(
        base_url=spec.base_url,
        api_key=NO_KEY if near or not key else key,
        timeout=spec.timeout,
        max_retries=retries,
        http_client=openai.DefaultHttpxClient(trust_env=False) if near else None,
    )


class _Loose(BaseModel):
    """Fields that are not named here do not matter."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Message(_Loose):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Loose):
    message: _Message
    finish_reason: str | None = None


class _Usage(_Loose):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(_Loose):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def read_completion(answer: Any) -> Reply:
    """A reply from the API's answer, as JSON values or a model of them.

    Raises ValueError if it is no completion: the client itself takes anything.
    """
    raw = answer.to_dict() if isinstance(answer, openai.BaseModel) else answer
    try:
        completion = _Completion.model_validate(raw)
    except ValidationError as error:
        raise ValueError(explain(error)) from error
    choice, usage = completion.choices[0], completion.usage or _Usage()
    return Reply(
        text=choice.message.content,
        finish="refusal" if choice.message.refusal else choice.finish_reason or "stop",
        tokens_in=usage.prompt_tokens,
        tokens_out=usage.completion_tokens,
    )


def filtered(error: openai.APIStatusError) -> bool:
    """Whether a filter before the model refused the request."""
    return error.status_code == 400 and error.code in (FILTERED, "content_policy_violation")


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait for, by Retry-After as a number or a date."""
    asked = headers.get("retry-after")
    if asked is None:
        return None
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


def describe(error: Exception) -> str:
    """One clause about an error, its first line at most."""
    if isinstance(error, openai.APITimeoutError):
        return "the server did not answer in time"
    if isinstance(error, openai.APIStatusError):
        message = str(getattr(error, "message", "")).strip().split("\n")[0][:200]
        return f"the server answered {error.status_code}: {message}"
    if isinstance(error, openai.APIConnectionError):
        return f"no whole answer from the server: {error.__cause__ or error}"[:200]
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return f"the server's answer cannot be read: {first[:160]}"
