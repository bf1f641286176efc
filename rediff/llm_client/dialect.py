"""The form in which a server takes requests, learnt from its refusals.

Servers differ: reasoning models take no temperature and call the token limit otherwise, some know
no system messages, others nothing but strings as contents. A refusal says which; the request is
asked once more without it, and so are all later ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

LIMITS = ("max_tokens", "max_completion_tokens")
"""The two names of the token limit."""
OPTIONAL = ("temperature", "top_p", "response_format")
"""Fields that a request can do without."""
CONTEXT = re.compile(r"context length (?:is|of) (?:only )?(\d+)")
ASKED = re.compile(
    r"(?<!at least )\b(\d+) (?:in the messages|input tokens|tokens? (?:in the prompt|from the inp))"
    r"|has (\d+) input"
)
ROLES = re.compile(
    r"system (?:role|message|prompt|instruction)|role[^.]{0,20}system|roles must alternate"
    r"|user and assistant|\b(?:one|no|must|expected?|required?|needs?)\b[^.]{0,40}\buser\b"
    r"|\buser\b[^.]{0,40}(?:must|required?|missing|expected)"
)
"""Complaints about a system message, or about the lack of one of the user."""
MOST = re.compile(
    r"tokens?\b[^.]{0,60}?"
    r"(?:at most|less than or equal to|maximum(?: value)?(?: allowed)?(?: is| of|:)?"
    r"|<=|between \d+ and|\[\d+,) ?(\d+)"
    r"|tokens?\b[^.]{0,20}\d+ > (\d+)|at most (\d+)(?: completion| output)? tokens"
)
"""Complaints about the number of tokens that are asked for, and how many may be."""
FEWEST = 16
"""A smaller number is not a limit, but some other number near the word."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Changes that a server has asked for.

    `limit`: the name of its token limit, None as requests have it. `without`: fields that it does
    not take. `folded`: system texts go into the first message of the user. `plain`: contents that
    are texts alone are strings. `most`: tokens that a reply may have.
    """

    limit: str | None = None
    without: frozenset[str] = frozenset()
    folded: bool = False
    plain: bool = False
    most: int | None = None

    def limited(self, most: int | None) -> Dialect:
        """The same with at most so many tokens; None: as it is."""
        return self if most is None else replace(self, most=min(most, self.most or most))

    def joined(self, other: Dialect) -> Dialect:
        """All that either has asked for, so that no thread forgets the findings of another."""
        limits = [dialect.most for dialect in (self, other) if dialect.most is not None]
        return Dialect(
            limit=self.limit or other.limit,
            without=self.without | other.without,
            folded=self.folded or other.folded,
            plain=self.plain or other.plain,
            most=min(limits, default=None),
        )

    def adapt(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request as this server takes it."""
        changed = dict(body)
        for name in LIMITS:
            if name in body and (self.limit or self.most):
                tokens = changed.pop(name)
                kept = tokens if self.most is None else min(tokens, self.most)
                changed[self.limit or name] = kept
        changed = {key: value for key, value in changed.items() if key not in self.without}
        messages = list(changed["messages"])
        if self.folded:
            messages = fold_system(messages)
        if self.plain:
            messages = [{**m, "content": _as_string(m["content"])} for m in messages]
        return {**changed, "messages": messages}


def learn(dialect: Dialect, body: Mapping[str, Any], complaint: str) -> Dialect | None:
    """The dialect after a refusal of the adapted request `body`; None if that teaches nothing new.

    `complaint`: all that the server said of it.
    """
    said = re.sub(
        r"[`*]|(?<=\d),(?=\d{3}\b)", "", re.sub(r"'input': [^,}]*", "", complaint.lower())
    )
    if "could not finish" in said:
        return None
    for better in _lessons(dialect, body, said):
        if better != dialect and better.adapt(body) != dict(body):
            return better
    return None


def is_about_this(complaint: str) -> bool:
    """Whether a refusal is about one request's length, and teaches nothing about others."""
    return CONTEXT.search(complaint.lower()) is not None


def _lessons(dialect: Dialect, body: Mapping[str, Any], said: str) -> Iterator[Dialect]:
    limit = next((name for name in LIMITS if name in body), None)
    if limit is not None:
        most = _most_tokens(said)
        if most is not None and most < body[limit]:
            yield replace(dialect, most=most)
        elif most is None and limit in said and "context length" not in said:
            other = LIMITS[limit == LIMITS[0]]
            if dialect.limit is None:
                yield replace(dialect, limit=other)
            else:
                yield replace(dialect, without=dialect.without | {*LIMITS})
    for name in OPTIONAL:
        words = ("json_schema", "structured output") if name == "response_format" else ()
        if name in body and any(word in said for word in (name, *words)):
            yield replace(dialect, without=dialect.without | {name})
    roles = {message["role"] for message in body["messages"]}
    if "system" in roles and ROLES.search(said):
        yield replace(dialect, folded=True)
    if "string" in said and ("content" in said or "messages" in said or "sequence" in said):
        yield replace(dialect, plain=True)


def _most_tokens(said: str) -> int | None:
    """The tokens that a reply may have, by a complaint about their number."""
    context, asked = CONTEXT.search(said), ASKED.search(said)
    if context is not None:
        used = next((int(g) for g in asked.groups() if g), 0) if asked else 0
        return max(1, int(context[1]) - used) if used else int(context[1]) // 2
    found = MOST.search(said)
    most = next((int(group) for group in found.groups() if group), 0) if found else 0
    return most if most >= FEWEST else None


def fold_system(messages: list[Any]) -> list[Any]:
    """The messages with all system texts before the first text of the user, who may say nothing
    else."""
    parts = [part for m in messages if m["role"] == "system" for part in _parts(m["content"])]
    others = [dict(m) for m in messages if m["role"] != "system"]
    first = next((m for m in others if m["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": parts}, *others]
    first["content"] = [*parts, *_parts(first["content"])]
    return others


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _as_string(content: Any) -> Any:
    """A list of texts alone as one string; anything else as it is."""
    if isinstance(content, str) or not all(part["type"] == "text" for part in content):
        return content
    return "\n\n".join(part["text"] for part in content)
