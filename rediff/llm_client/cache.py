"""Replies that were paid for, by their exact request.

A reply is a file of its own, named by a hash of the request; it is whole or not there. While a call
is under way its file is locked, so two processes never pay for the same one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from rediff.io.files import replace as write
from rediff.llm_client.conversation import Reply, Request
from rediff.llm_client.reasoning import split_reasoning
from rediff.llm_client.server import ServerSpec


def body_of(spec: ServerSpec, request: Request) -> dict[str, Any]:
    """The request as OpenAI's chat protocol has it.

    Args:
        spec: the server, which says what model answers, how long a reply may be, and whether the
            model thinks first.
        request: the messages and how to answer them.

    Returns:
        The JSON body, from which the cache's key is made.
    """
    body: dict[str, Any] = {
        "model": spec.model,
        "messages": list(request.messages),
    }
    most = request.max_tokens if spec.max_tokens is None else spec.max_tokens
    if spec.thinks:
        body["max_completion_tokens"] = most
    else:
        body |= {"max_tokens": most, "temperature": request.temperature}
    if not spec.thinks and request.top_p is not None:
        body["top_p"] = request.top_p
    if request.schema is not None:
        form = {"name": request.schema["title"], "strict": True, "schema": request.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return body


def key_of(spec: ServerSpec, request: Request) -> str:
    """A hash of all that may change the reply: server, model, messages with their pictures, every
    decoding field, the prompt's hash, and which attempt it is.

    Args:
        spec: the server and model.
        request: the messages and how to answer them.
    """
    parts = {
        "endpoint": spec.endpoint,
        "body": body_of(spec, request),
        "prompt": request.prompt,
        "attempt": request.attempt,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]


class ReplyCache:
    """A folder of replies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self) -> None:
        """Raises OSError naming the folder if replies cannot be kept in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise OSError(f"replies cannot be kept in {self.folder}: {error.strerror}") from error

    def get(self, key: str) -> Reply | None:
        """The reply to a request, if it was ever given.

        Raises ValueError naming the file if it is damaged.
        """
        path = self._path(key)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            return _read(json.loads(text)["reply"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: damaged; delete it and start again") from error

    def put(self, key: str, body: dict[str, Any], reply: Reply) -> None:
        """Keeps a reply with its request, without the pictures."""
        entry = {"model": body["model"], "asked": _texts(body), "reply": asdict(reply)}
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(entry) + "\n")

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Waits until no other process has this request under way, and keeps others waiting."""
        path = self._path(key).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with path.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not _is_at(file, path):
                    continue  # whoever held it has taken the file away
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}.json"


def _read(fields: dict[str, Any]) -> Reply:
    """A cached reply; reasoning is removed from one that an older version kept with it."""
    reply = Reply(**fields)
    if reply.reasoning is not None or reply.text is None:
        return reply
    said = split_reasoning(reply.text)
    if said.answer == reply.text.strip():
        return reply
    return replace(reply, text=said.answer, reasoning=said.reasoning)


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _texts(body: dict[str, Any]) -> list[str]:
    return [
        part["text"]
        for message in body["messages"]
        for part in message["content"]
        if part["type"] == "text"
    ]
