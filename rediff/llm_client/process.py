"""The process that calls a model and keeps its replies.

It outlives the run that started it until all calls under way are answered: a run that is killed
has paid for them, so their replies are kept, and the next run finds them. `python -m
rediff.llm_client.process` reads JSON lines, first the server's spec, then requests as {"key",
"body"}, and writes a line {"key", "reply"} for each. When its input ends it sends nothing more.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rediff.llm_client.cache import ReplyCache
from rediff.llm_client.client import Caller, Stopped
from rediff.llm_client.conversation import Reply
from rediff.llm_client.server import ServerSpec


class RequestProcess:
    """Sends requests and returns replies; each reply is stored before it is returned."""

    def __init__(self, spec: ServerSpec, out: Any) -> None:
        self.caller = Caller(spec)
        self.cache = ReplyCache(spec.cache)
        self.out = out
        self.telling = threading.Lock()

    def carry(self, key: str, body: dict[str, Any]) -> None:
        """One request. Another process may have it under way: then its reply is waited for."""
        try:
            with self.cache.claim(key):
                reply = self.cache.get(key)
                if reply is None:
                    reply = self.caller.call(body)
                    if reply.error is None:
                        self.cache.put(key, body, reply)
        except Stopped:
            return
        except (OSError, ValueError) as error:
            reply = Reply(error=f"the reply could not be kept: {error}")
        self.tell(key, reply)

    def tell(self, key: str, reply: Reply) -> None:
        """Writes the line of one reply."""
        with self.telling:
            try:
                self.out.write(json.dumps({"key": key, "reply": asdict(reply)}) + "\n")
                self.out.flush()
            except BrokenPipeError:
                self.caller.stopping.set()


def _tell_of_a_bug(request_process: RequestProcess, key: str, done: Future[None]) -> None:
    """No reply must be waited for in vain, whatever went wrong."""
    if not done.cancelled() and (error := done.exception()) is not None:
        request_process.tell(key, Reply(error=f"the call broke: {type(error).__name__}: {error}"))


def serve() -> None:
    """Works through standard input until it ends."""
    raw = json.loads(sys.stdin.readline())
    spec = ServerSpec(**{**raw, "cache": Path(raw["cache"])})
    request_process = RequestProcess(spec, sys.stdout)
    with ThreadPoolExecutor(spec.concurrency) as pool:
        for line in sys.stdin:
            request = json.loads(line)
            done = pool.submit(request_process.carry, request["key"], request["body"])
            done.add_done_callback(partial(_tell_of_a_bug, request_process, request["key"]))
        request_process.caller.stopping.set()
        pool.shutdown(wait=True, cancel_futures=True)
    os._exit(0)  # a closed pipe must not complain on the way out


if __name__ == "__main__":
    serve()
