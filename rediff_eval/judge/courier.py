"""The process that calls a judge and keeps its replies.

It outlives whoever started it by the calls that are under way: a run that is killed has paid for
them, so their replies are kept, and the next run finds them. `python -m rediff_eval.judge.courier`
reads JSON lines, first the judge's spec, then requests as {"key", "body"}, and writes a line
{"key", "reply"} for each. When its input ends it sends nothing more.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rediff_eval.judge.api import Caller, Stopped
from rediff_eval.judge.cache import ReplyCache
from rediff_eval.judge.spec import JudgeSpec
from rediff_eval.judge.talk import Reply


class Courier:
    """Carries requests out and replies back, each kept before it is told."""

    def __init__(self, spec: JudgeSpec, out: Any) -> None:
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
        self._tell({"key": key, "reply": asdict(reply)})

    def _tell(self, line: dict[str, Any]) -> None:
        with self.telling:
            try:
                self.out.write(json.dumps(line) + "\n")
                self.out.flush()
            except BrokenPipeError:
                self.caller.stopping.set()


def serve() -> None:
    """Works through standard input until it ends."""
    raw = json.loads(sys.stdin.readline())
    spec = JudgeSpec(**{**raw, "cache": Path(raw["cache"])})
    courier = Courier(spec, sys.stdout)
    with ThreadPoolExecutor(spec.concurrency) as pool:
        for line in sys.stdin:
            request = json.loads(line)
            pool.submit(courier.carry, request["key"], request["body"])
        courier.caller.stopping.set()
        pool.shutdown(wait=True, cancel_futures=True)
    os._exit(0)  # a closed pipe must not complain on the way out


if __name__ == "__main__":
    serve()
