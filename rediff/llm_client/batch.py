"""Requests by OpenAI's batch API: half the price, within a day."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

import openai

from rediff.llm_client.cache import ReplyCache
from rediff.llm_client.client import open_client
from rediff.llm_client.completion import read_completion
from rediff.llm_client.conversation import Reply
from rediff.llm_client.problems import REJECTED, describe
from rediff.llm_client.server import ServerSpec

ENDPOINT: Final = "/v1/chat/completions"
WINDOW: Final = "24h"
MARK = "rediff_eval"
"""Key of a batch's metadata; its value is a hash of all requests of the batch."""
MOST, LARGEST = 20_000, 100 * 2**20
"""Requests and bytes of one batch; the API takes 50,000 and 200 MB."""
RETRIES = 8
"""Tries of each call about a batch, since a single failure must not end a day's wait."""
OVER = frozenset({"completed", "failed", "expired", "cancelled"})


def answer_batch(
    spec: ServerSpec, cache: ReplyCache, bodies: Mapping[str, dict[str, Any]]
) -> dict[str, Reply]:
    """The reply to each request by its key; each is kept.

    Requests are split into batches that the API takes; all are under way at once. The server knows
    a batch by a mark, so a run that was killed while it waited finds its batches again and pays
    for nothing twice; a second run of the same requests waits for the first. Raises RuntimeError
    if a batch cannot be made or asked for.
    """
    client = open_client(spec, retries=RETRIES)
    parts = [{key: bodies[key] for key in keys} for keys in _split(bodies)]
    with ExitStack() as claims:
        for part in parts:
            claims.enter_context(cache.claim(_mark(part)))
        found = {k: r for part in parts for k in part if (r := cache.get(k)) is not None}
        try:
            made = [
                (p, _find(client, _mark(p)) or _make(client, p)) for p in parts if p.keys() - found
            ]
            for part, batch in made:
                found |= _collect(spec, cache, client, part, batch)
        except (openai.OpenAIError, ValueError) as error:
            raise RuntimeError(
                f"a batch of {len(bodies)} requests: {describe(error, spec)}"
            ) from error
    return found


def _split(bodies: Mapping[str, dict[str, Any]]) -> Iterator[list[str]]:
    """Keys in their order, in lists that are small enough for one batch."""
    keys: list[str] = []
    size = 0
    for key, body in bodies.items():
        own = len(json.dumps(body))
        if keys and (len(keys) == MOST or size + own > LARGEST):
            yield keys
            keys, size = [], 0
        keys.append(key)
        size += own
    if keys:
        yield keys


def _mark(part: Mapping[str, Any]) -> str:
    return hashlib.sha256("\n".join(sorted(part)).encode()).hexdigest()[:40]


def _collect(
    spec: ServerSpec,
    cache: ReplyCache,
    client: openai.OpenAI,
    part: Mapping[str, dict[str, Any]],
    batch: Any,
) -> dict[str, Reply]:
    """Waits for a batch and keeps its replies."""
    while batch.status not in OVER:
        time.sleep(min(spec.pause * 10, spec.longest_pause))
        batch = client.batches.retrieve(batch.id)
    lines = [
        json.loads(line)
        for file in (batch.output_file_id, batch.error_file_id)
        if file
        for line in client.files.content(file).text.splitlines()
    ]
    told = {line["custom_id"]: _reply(spec, line) for line in lines}
    missing = Reply(error=f"the batch ended as {batch.status}{_problem(batch)} without an answer")
    replies = {key: told.get(key, missing) for key in part}
    for key, reply in replies.items():
        if reply.error is None:
            cache.put(key, part[key], reply)
    return replies


def _problem(batch: Any) -> str:
    problems = getattr(batch.errors, "data", None) or []
    return f" ({problems[0].message})" if problems else ""


def _find(client: openai.OpenAI, mark: str) -> Any:
    """The batch of an earlier start, unless it ended without answers."""
    for batch in client.batches.list():
        usable = batch.status not in OVER or batch.output_file_id
        if usable and (batch.metadata or {}).get(MARK) == mark:
            return batch
    return None


def _make(client: openai.OpenAI, part: Mapping[str, dict[str, Any]]) -> Any:
    lines = (
        json.dumps({"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body})
        for key, body in part.items()
    )
    content = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
    file = client.files.create(file=("requests.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint=ENDPOINT,
        completion_window=WINDOW,
        metadata={MARK: _mark(part)},
    )


def _reply(spec: ServerSpec, line: dict[str, Any]) -> Reply:
    response = line.get("response") or {}
    if line.get("error") or response.get("status_code") != 200:
        problem = line.get("error") or response.get("body", {}).get("error") or {}
        return Reply(
            error=f"in the batch: {problem.get('message', 'no answer')}"[:200],
            rejected=response.get("status_code") in REJECTED,
        )
    try:
        return read_completion(response["body"])
    except ValueError as error:
        return Reply(error=describe(error, spec))
