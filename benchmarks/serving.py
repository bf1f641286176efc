"""Requests a second of `rediff-eval serve` with batches, against one by one.

Two servers of the same model answer the same requests from the same number of clients, in turn; the
ratio of their times is printed for each round, and the median of the ratios.

    python benchmarks/serving.py --model rediff --steps 20 --clients 16 --requests 96 --rounds 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from openai import OpenAI

import rediff
from rediff.data.images import data_url


def start(model: str, batch: int, stack: ExitStack) -> OpenAI:
    """A client of a new server."""
    command = [sys.executable, "-m", "rediff_eval", "serve", "--model", model, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--batch-size", str(batch), "--queue", "1000"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ,
    )  # fmt: skip
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stdout is not None
    url = process.stdout.readline().split()[2].removesuffix(",")
    return OpenAI(base_url=url, api_key="none", max_retries=0)


def answer(client: OpenAI, model: str, pictures: list[str], steps: int, clients: int) -> float:
    """Seconds for a caption of each picture."""

    def one(picture: str) -> None:
        content = [{"type": "image_url", "image_url": {"url": picture}}]
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": content}],  # type: ignore[list-item, misc]
            extra_body={"steps": steps},
        )  # fmt: skip

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, pictures))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="rediff")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    pictures = [data_url(rediff.scene(i % 24).image) for i in range(asked.requests)]
    with ExitStack() as stack:
        servers = {size: start(asked.model, size, stack) for size in (asked.batch, 1)}
        for client in servers.values():
            answer(client, asked.model, pictures[:2], asked.steps, 1)
        ratios = []
        for _ in range(asked.rounds):
            took = {
                size: answer(client, asked.model, pictures, asked.steps, asked.clients)
                for size, client in servers.items()
            }
            ratios.append(took[1] / took[asked.batch])
            rates = [f"batch {s}: {len(pictures) / t:.1f} requests/s" for s, t in took.items()]
            print(f"{', '.join(rates)}, ratio {ratios[-1]:.2f}", flush=True)
    print(f"with batches {statistics.median(ratios):.2f} times as many requests a second")


if __name__ == "__main__":
    main()
