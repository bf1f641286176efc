"""A server's batch API."""

from __future__ import annotations

import json
from typing import Any

from servers import Answer

from rediff_eval.judging.oracle_server import completion


class Batches:
    """OpenAI's files and batches, in memory.

    A batch is done after `wait` looks at it; every request gets the reply `text`, but while `loses`
    the last one of each batch, which fails.
    """

    def __init__(self, text: str, *, wait: int = 1) -> None:
        self.text = text
        self.loses = True
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.polls, self.wait = 0, wait

    def answer(self, method: str, path: str, body: Any) -> Answer:
        path = path.split("?")[0]
        if method == "POST" and path == "/v1/files":
            name = f"file-{len(self.files)}"
            self.files[name] = body
            return self._json({"id": name, "object": "file", "purpose": "batch"})
        if method == "POST":
            name = f"batch-{len(self.batches)}"
            self.batches[name] = {
                "id": name, "object": "batch", "status": "in_progress",
                "metadata": body["metadata"], "input_file_id": body["input_file_id"],
                "endpoint": body["endpoint"],
            }  # fmt: skip
            return self._json(self.batches[name])
        if path == "/v1/batches":
            return self._json({"object": "list", "data": list(self.batches.values()),
                               "has_more": False})  # fmt: skip
        if path.startswith("/v1/batches/"):
            return self._poll(self.batches[path.rpartition("/")[2]])
        return 200, {"Content-Type": "application/jsonl"}, self.files[path.split("/")[3]]

    def _poll(self, batch: dict[str, Any]) -> Answer:
        self.polls += 1
        if self.polls >= self.wait and batch["status"] != "completed":
            asked = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
            lines = [
                {"custom_id": one["custom_id"], "response": {
                    "status_code": 200, "body": completion(one["body"], self.text)}}
                for one in asked
            ]  # fmt: skip
            if self.loses:
                lines[-1] = {"custom_id": asked[-1]["custom_id"], "error": {"message": "lost"}}
            out = f"out-of-{batch['id']}"
            self.files[out] = "".join(json.dumps(line) + "\n" for line in lines).encode()
            batch |= {"status": "completed", "output_file_id": out}
        return self._json(batch)

    @staticmethod
    def _json(content: Any) -> Answer:
        return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()
