"""What another busy process does to captioning on two threads, by how threads wait for each other.

    python benchmarks/neighbour.py --neighbours 0,1,2

Prints seconds and ratios to the idle default, measured in one run. Threads that spin while they
wait (OpenMP's default) lose to whoever shares their cores; threads that sleep do not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

WAYS = {
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
    "sleeping": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""How threads wait, by the environment; the program's own default is "sleeping"."""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but work."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def seconds(environment: dict[str, str], limit: int) -> float:
    """How long a small run takes, with its start."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "rediff_eval", "run", "--task", "capture", "--model", "rediff",
             "--limit", str(limit), "--out", folder],
            check=True, capture_output=True, env={**os.environ, **environment},
        )  # fmt: skip
        return time.perf_counter() - started


def main() -> None:
    """Measures every way beside every number of neighbours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neighbours", default="0,1,2", help="how many, comma-separated")
    parser.add_argument("--scenes", type=int, default=16, help="captions of each budget")
    asked = parser.parse_args()
    first = None
    for count in map(int, asked.neighbours.split(",")):
        with busy(count):
            for name, environment in WAYS.items():
                taken = seconds(environment, asked.scenes)
                first = first or taken
                print(
                    f"{count} neighbours, {name}: {taken:.1f} s, {taken / first:.2f} of the first"
                )


if __name__ == "__main__":
    main()
