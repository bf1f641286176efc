"""A real server in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openai import OpenAI

KEY = "one-key"


@dataclass
class Running:
    """A server. `url`: without a path."""

    process: subprocess.Popen[str]
    url: str

    def client(self, key: str = KEY) -> OpenAI:
        """OpenAI's own client, which tries nothing twice."""
        return OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=120)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def serving(*arguments: str | Path, **env: str) -> Iterator[Running]:
    """Starts `rediff-eval serve` on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rediff_eval", "serve", "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, **env},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Serving at "), line
        yield Running(process, line.split()[2].removesuffix("/v1,"))
    finally:
        process.kill()
        process.wait()
