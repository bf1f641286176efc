"""One call to a model, until it is answered or given up."""

from __future__ import annotations

import ipaddress
import os
import random
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import openai

from rediff.llm_client.completion import AnsweredError, read_completion
from rediff.llm_client.conversation import Reply
from rediff.llm_client.dialect import Dialect, is_about_this, learn
from rediff.llm_client.problems import FILTERED, LONGEST_ASKED, Problem, describe
from rediff.llm_client.server import KEY, ServerSpec

LESSONS = 8
"""Forms in which one request is asked at most."""
NO_KEY = "none"
"""Sent to servers that want no key."""


class Stopped(Exception):  # noqa: N818 - no error: whoever asked has gone
    """Nobody waits for the reply any more, and no call is under way."""


class Caller:
    """Calls one server from several threads, within its limits and as it wants to be asked."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.stopping = threading.Event()
        self.turn = threading.Lock()
        self.next_turn = 0.0
        self.dialect = Dialect()
        self.learning = threading.Lock()
        self.reached = False
        self.client = open_client(spec)

    def call(self, body: Mapping[str, Any]) -> Reply:
        """The reply, or the last error once all retries are spent.

        Server errors, rate limits, time-outs and broken replies are tried again; a request that is
        refused as such (a wrong key or model) is not, unless the refusal says in which form it
        would be taken. Raises Stopped between two tries.
        """
        tried, learnt, most = 0, 0, None
        while True:
            self._wait_for_turn()
            dialect = self.dialect.limited(most)
            adapted = dialect.adapt(body)
            problem = self._try(adapted)
            if isinstance(problem, Reply):
                return problem
            teaches = problem.refusal and learnt < LESSONS
            better = learn(dialect, adapted, problem.complaint) if teaches else None
            if better is not None:
                learnt += 1
                own = better.most != dialect.most and is_about_this(problem.complaint)
                most = better.most if own else most
                kept = replace(better, most=None) if own or better.most == most else better
                with self.learning:
                    self.dialect = self.dialect.joined(kept)
                continue
            if not problem.passing or tried == self.spec.retries:
                return problem.reply(tried + 1)
            pause = self._pause(tried) if problem.pause is None else problem.pause
            self._sleep(min(pause, LONGEST_ASKED))
            tried += 1

    def _try(self, body: Mapping[str, Any]) -> Reply | Problem:
        """One call: its reply, or the error."""
        try:
            reply = read_completion(self.client.chat.completions.create(**body))
        except openai.APIStatusError as error:
            problem = Problem.of_status(error, self.spec)
        except AnsweredError as error:
            problem = Problem.of_answer(error, self.spec)
        except openai.APIConnectionError as error:
            never = not self.reached and nobody_there(error)
            return Problem(describe(error, self.spec), passing=not never, fatal=never)
        except (openai.OpenAIError, ValueError) as error:
            problem = Problem(describe(error, self.spec), passing=True)
        else:
            self.reached = True
            return reply
        self.reached = True
        return Reply(finish=FILTERED) if problem.filtered else problem

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
    """The client of a server. One on this machine gets no proxy between.

    Args:
        spec: the server and its limits.
        retries: how often the client itself tries a call again.

    Raises:
        ValueError: if a key is wanted and none is set.
    """
    key = os.environ.get(spec.key_env)
    if not key and (spec.url is None or spec.key_env != KEY):
        raise ValueError(
            f"no key for {spec.model}: set the environment variable {spec.key_env}, or name the"
            " address of a server of your own"
        )
    return openai.OpenAI(
        base_url=spec.url,
        api_key=key or NO_KEY,
        timeout=spec.timeout,
        max_retries=retries,
        http_client=openai.DefaultHttpxClient(trust_env=False) if is_near(spec.url) else None,
    )


def nobody_there(error: BaseException | None) -> bool:
    """Whether no connection was made at all: it was refused, or the name of the host is unknown."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError | socket.gaierror):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_near(url: str | None) -> bool:
    """Whether an address is on this machine."""
    host = None if url is None else urlsplit(url).hostname
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
