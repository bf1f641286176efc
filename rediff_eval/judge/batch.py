"""Requests by OpenAI's batch API: half the price, within a day."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Mapping
from typing import Any, Final

import openai

from rediff_eval.judge.api import describe, open_client, read_completion
from rediff_eval.judge.cache import ReplyCache
from rediff_eval.judge.spec import JudgeSpec
from rediff_eval.judge.talk import Reply

ENDPOINT: Final = "/v1/chat/completions"
WINDOW: Final = "24h"
MARK = "rediff_eval"
"""Key of a batch's metadata; its value is a hash of all requests of the batch."""
OVER = frozenset({"completed", "failed", "expired", "cancelled"})


def answer_batch(
    spec: JudgeSpec, cache: ReplyCache, bodies: Mapping[str, dict[str, Any]]
) -> dict[str, Reply]:
    """The reply to each request by its key; each is kept.

    The server knows a batch by a mark, so a run that was killed while it waited finds its batch
    again and pays for nothing twice. Raises RuntimeError if the batch cannot be made or asked for.
    """
    client = open_client(spec)
    mark = hashlib.sha256("\n".join(sorted(bodies)).encode()).hexdigest()[:40]
    try:
        batch = _find(client, mark) or _make(client, bodies, mark)
        while batch.status not in OVER:
            time.sleep(min(spec.pause * 10, spec.longest_pause))
            batch = client.batches.retrieve(batch.id)
        lines = [
            json.loads(line)
            for file in (batch.output_file_id, batch.error_file_id)
            if file
            for line in client.files.content(file).text.splitlines()
        ]
    except (openai.OpenAIError, ValueError) as error:
        raise RuntimeError(f"the batch of {len(bodies)} requests: {describe(error)}") from error
    found = {line["custom_id"]: _reply(line) for line in lines}
    missing = Reply(error=f"the batch ended as {batch.status} without an answer")
    replies = {key: found.get(key, missing) for key in bodies}
    for key, reply in replies.items():
        if reply.error is None:
            with cache.claim(key):
                cache.put(key, bodies[key], reply)
    return replies


def _find(client: openai.OpenAI, mark: str) -> Any:
    """The batch of an earlier start, unless it ended without answers."""
    for batch in client.batches.list():
        usable = batch.status not in OVER or batch.output_file_id
        if usable and (batch.metadata or {}).get(MARK) == mark:
            return batch
    return None


def _make(client: openai.OpenAI, bodies: Mapping[str, dict[str, Any]], mark: str) -> Any:
    lines = (
        json.dumps({"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body})
        for key, body in bodies.items()
    )
    content = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
    file = client.files.create(file=("requests.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=ENDPOINT, completion_window=WINDOW, metadata={MARK: mark}
    )


def _reply(line: dict[str, Any]) -> Reply:
    response = line.get("response") or {}
    if line.get("error") or response.get("status_code") != 200:
        problem = line.get("error") or response.get("body", {}).get("error") or {}
        return Reply(error=f"in the batch: {problem.get('message', 'no answer')}"[:200])
    try:
        return read_completion(openai.types.chat.ChatCompletion.model_validate(response["body"]))
    except ValueError as error:
        return Reply(error=describe(error))
