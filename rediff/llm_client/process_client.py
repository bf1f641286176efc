"""The run's side of the connection to the request process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from rediff.llm_client.conversation import Reply
from rediff.llm_client.server import ServerSpec


class RequestClient:
    """Sends requests to the request process and receives its replies; one process for each run.

    The request process has a session of its own, so that Ctrl-C or a kill of the run does not
    reach it.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rediff.llm_client.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._write({**asdict(spec), "cache": str(spec.cache.resolve())})

    def send(self, key: str, body: dict[str, Any]) -> None:
        """Hands over a request. Raises RuntimeError if the request process is gone."""
        self._write({"key": key, "body": body})

    def receive(self) -> tuple[str, Reply]:
        """Waits for the next reply. Raises RuntimeError if the request process is gone."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the process that calls the server has died; start again to resume")
        told = json.loads(line)
        return told["key"], Reply(**told["reply"])

    def close(self) -> None:
        """Lets the request process finish the calls that are under way, and end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _write(self, line: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(line) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise RuntimeError("the process that calls the server has died") from error
