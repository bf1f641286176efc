"""Calls without a reply: whether another try may help, and the message about them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import openai

from rediff.llm_client.completion import AnsweredError
from rediff.llm_client.conversation import Reply
from rediff.llm_client.server import ServerSpec

TEMPORARY = frozenset({408, 409, 425, 429})
"""Statuses that may pass, beside those from 500 on."""
FATAL = frozenset({401, 402, 403, 404})
"""Statuses that every request gets: a wrong key, no money, a wrong model or a wrong address."""
MODERATED = ("moderation", "flagged", "content policy", "safety")
"""Words of a refusal that is about one request alone, whatever its status."""
REFUSALS = frozenset({400, 422, 500, 501})
"""Statuses whose message may say in which form a request would be taken."""
SPENT = frozenset({"insufficient_quota"})
"""Words for errors that come as rate limits, but do not pass."""
LONGEST_ASKED = 600.0
"""Seconds that a server is waited for at most when it asks to be."""
REJECTED = frozenset({400, 413, 422})
"""Statuses by which a server says that it will not take a request as it is."""
FILTERED = "content_filter"
FILTERS = (FILTERED, "content_policy_violation")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """The meaning of a status, and of a word for the error, of a call that failed."""

    status: int | None
    code: str | None
    said: str

    @property
    def passing(self) -> bool:
        if self.code in SPENT:
            return False
        return self.status is None or self.status in TEMPORARY or self.status >= 500

    @property
    def fatal(self) -> bool:
        about_one = any(word in self.said for word in MODERATED)
        return (self.status in FATAL and not about_one) or self.code in SPENT


@dataclass(frozen=True, slots=True)
class Problem:
    """A call that gave no reply. `error`: a clause that says why. `passing`: another try may help.

    `complaint`: all that the server said. `refusal`: it is about the request's form. `fatal`,
    `rejected`, `code`: see `Reply`. `pause`: seconds that the server asks to wait.
    """

    error: str
    passing: bool
    complaint: str = ""
    refusal: bool = False
    fatal: bool = False
    rejected: bool = False
    filtered: bool = False
    code: str | None = None
    pause: float | None = None
    status: int | None = None

    @classmethod
    def of_status(cls, error: openai.APIStatusError, spec: ServerSpec) -> Problem:
        """Of an answer whose status is an error."""
        kind = _Kind(status=error.status_code, code=error.code, said=str(error.body).lower())
        return cls(
            describe(error, spec),
            kind.passing,
            f"{error.message} {error.body}",
            refusal=error.status_code in REFUSALS,
            fatal=kind.fatal,
            rejected=error.status_code in REJECTED,
            filtered=filtered(error),
            code=error.code,
            pause=asked_pause(error.response.headers),
            status=error.status_code,
        )

    @classmethod
    def of_answer(cls, error: AnsweredError, spec: ServerSpec) -> Problem:
        """Of an error within an answer of status 200."""
        kind = _Kind(status=error.status, code=error.code, said=str(error).lower())
        return cls(
            f"the server reports an error{'' if error.status is None else f' {error.status}'}:"
            f" {_first_line(str(error))}",
            kind.passing,
            str(error),
            refusal=error.status in REFUSALS,
            fatal=kind.fatal,
            rejected=error.status in REJECTED,
            filtered=error.status == 400 and error.code in FILTERS,
            code=error.code,
            status=error.status,
        )

    def reply(self, tries: int) -> Reply:
        """The reply without a text, after so many tries."""
        times = f" ({tries} tries)" if self.passing else ""
        return Reply(
            error=f"{self.error}{times}",
            code=self.code,
            rejected=self.rejected,
            fatal=self.fatal,
            status=self.status,
        )


def filtered(error: openai.APIStatusError) -> bool:
    """Whether a filter before the model refused the request."""
    return error.status_code == 400 and error.code in FILTERS


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


def describe(error: Exception, spec: ServerSpec) -> str:
    """One clause about an error, its first line at most, with its likely cause."""
    if isinstance(error, openai.APITimeoutError):
        return "the server did not answer in time"
    if isinstance(error, openai.APIStatusError):
        said = f"the server answered {error.status_code}: {_first_line(_message(error))}"
        if error.status_code == 404:
            said += f" (asked at {_shown(spec)}/chat/completions; most addresses end in /v1)"
        if error.status_code in (401, 403):
            sent = "was sent" if os.environ.get(spec.key_env) else "is not set, so no key was sent"
            said += f" (the key of {spec.key_env} {sent})"
        return said
    if isinstance(error, openai.APIConnectionError):
        reason = f"no whole answer from the server at {_shown(spec)}: {error.__cause__ or error}"
        return reason[:300]
    return f"the server's answer cannot be read: {_first_line(str(error), type(error).__name__)}"


def _message(error: openai.APIStatusError) -> str:
    """The server's message, without the client's prefix."""
    body = error.body
    words = body.get("message") if isinstance(body, dict) else None
    return words if isinstance(words, str) else str(body or error.message)


def _shown(spec: ServerSpec) -> str:
    """The server's address without its secrets."""
    parts = urlsplit(spec.url or "https://api.openai.com/v1")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path.rstrip('/')}"


def _first_line(said: str, otherwise: str = "") -> str:
    return next(iter(said.strip().splitlines()), otherwise)[:200]
