"""The Java programs of the n-gram metrics, in a process that can be ended.

`python -m rediff_eval.metrics.ngram.java` reads one JSON object on standard input, `candidates` (a
list of texts) and `references` (lists of texts), and writes one with their tokens, METEOR's
statistics of each candidate and its score of each.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pycocoevalcap

PACKAGE = Path(next(iter(pycocoevalcap.__path__)))
TOKENIZER = PACKAGE / "tokenizer" / "stanford-corenlp-3.4.1.jar"
METEOR = PACKAGE / "meteor" / "meteor-1.5.jar"
DROPPED = frozenset(
    [
        "''",
        "'",
        "``",
        "`",
        "-LRB-",
        "-RRB-",
        "-LCB-",
        "-RCB-",
        ".",
        "?",
        "!",
        ",",
        ":",
        "-",
        "--",
        "...",
        ";",
    ]
)
"""Tokens that pycocoevalcap drops. Brackets come in lower case, so theirs stay."""
SEPARATOR = "|||"


class JavaError(RuntimeError):
    """The Java programs failed or took too long."""


@dataclass(frozen=True, slots=True)
class JavaResult:
    """Tokens by single spaces, and METEOR's 23 counts and score of each candidate."""

    candidates: list[str]
    references: list[list[str]]
    counts: list[list[float]]
    scores: list[float]


def run_java(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, seconds: float
) -> JavaResult:
    """Runs this module in a process of its own and ends all of it once the time is over.

    Raises JavaError with one clause if it fails or takes too long.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    asked = json.dumps({"candidates": list(candidates), "references": [*map(list, references)]})
    try:
        out, complaint = process.communicate(asked, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise JavaError(f"Java took longer than {seconds:g} s") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        last = (complaint.strip().splitlines() or ["no message"])[-1]
        raise JavaError(f"Java failed: {last[:200]}")
    return JavaResult(**json.loads(out))


def tokenize(texts: Sequence[str]) -> list[str]:
    """Each text's tokens, lower-case, without punctuation, as pycocoevalcap makes them.

    A text must hold no character that Java takes for a line's end, or it loses its tail and every
    later text gets its neighbour's tokens.
    """
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".txt") as file:
        file.write("\n".join(text.replace("\n", " ") for text in texts))
        file.flush()
        done = subprocess.run(
            [
                "java",
                "-cp",
                TOKENIZER,
                "edu.stanford.nlp.process.PTBTokenizer",
                "-preserveLines",
                "-lowerCase",
                file.name,
            ],
            capture_output=True,
            check=True,
        )
    lines = done.stdout.decode("utf-8").split("\n")
    kept = (" ".join(w for w in line.rstrip().split(" ") if w not in DROPPED) for line in lines)
    return [line for line, _ in zip(kept, texts, strict=False)]


def measure_meteor(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[list[list[float]], list[float]]:
    """METEOR's counts for each candidate and its best reference, and the score of each."""
    with subprocess.Popen(
        ["java", "-jar", "-Xmx2G", METEOR, "-", "-", "-stdio", "-l", "en", "-norm"],
        cwd=METEOR.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:

        def ask(*parts: str) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f" {SEPARATOR} ".join(parts) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        counts = [
            ask("SCORE", *some, candidate.replace(SEPARATOR, "").replace("  ", " "))
            for candidate, some in zip(candidates, references, strict=True)
        ]
        scores = [float(ask("EVAL", *counts))] if counts else []
        assert process.stdout is not None
        scores += [float(process.stdout.readline()) for _ in counts]
    return [[float(n) for n in line.split()] for line in counts], scores[:-1]


def tokenize_lists(lists: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same for lists of texts, in one go."""
    lines = iter(tokenize([text for texts in lists for text in texts]))
    return [list(itertools.islice(lines, len(texts))) for texts in lists]


def _serve() -> dict[str, Any]:
    asked = json.load(sys.stdin)
    candidates, references = tokenize(asked["candidates"]), tokenize_lists(asked["references"])
    counts, scores = measure_meteor(candidates, references)
    return {
        "candidates": candidates,
        "references": references,
        "counts": counts,
        "scores": scores,
    }


if __name__ == "__main__":
    json.dump(_serve(), sys.stdout)
