"""The Java programs of the n-gram metrics, in a process that can be ended.

`python -m rediff_eval.metrics.ngram.java` reads JSON objects on standard input, one a line, each
with `candidates` (a list of texts) and `references` (lists of texts), and writes for each one with
their tokens, METEOR's statistics of each candidate and its score of each.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


class JavaPrograms:
    """This module in a process of its own, started when it is first asked and kept: METEOR's tables
    take seconds to load."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def score(
        self, candidates: Sequence[str], references: Sequence[Sequence[str]], *, seconds: float
    ) -> JavaResult:
        """Tokens and METEOR of candidates against their references.

        Raises JavaError with one clause if the process fails or takes too long; it is ended then,
        and the next captions get another.
        """
        process = self._process = self._process or _start()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def end_late() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(seconds, end_late)
        timer.start()
        try:
            asked = {"candidates": [*candidates], "references": [*map(list, references)]}
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            timer.cancel()
        if answer.endswith("\n"):
            return JavaResult(**json.loads(answer))
        complaint = self.close()
        if late.is_set():
            raise JavaError(f"Java took longer than {seconds:g} s")
        last = (complaint.strip().splitlines() or ["no message"])[-1]
        raise JavaError(f"Java failed: {last[:200]}")

    def close(self) -> str:
        """Ends the process, if there is one; returns its error output."""
        process, self._process = self._process, None
        if process is None:
            return ""
        _end(process)
        return process.communicate()[1]


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a process with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


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


def start_meteor() -> subprocess.Popen[str]:
    """METEOR as a program that is spoken to; it ends with its input."""
    return subprocess.Popen(
        ["java", "-jar", "-Xmx2G", METEOR, "-", "-", "-stdio", "-l", "en", "-norm"],
        cwd=METEOR.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )


def measure_meteor(
    process: subprocess.Popen[str], candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[list[list[float]], list[float]]:
    """METEOR's counts for each candidate and its best reference, and the score of each."""
    assert process.stdin is not None
    assert process.stdout is not None
    speak, hear = process.stdin, process.stdout

    def ask(*parts: str) -> str:
        speak.write(f" {SEPARATOR} ".join(parts) + "\n")
        speak.flush()
        return hear.readline().strip()

    counts = [
        ask("SCORE", *some, candidate.replace(SEPARATOR, "").replace("  ", " "))
        for candidate, some in zip(candidates, references, strict=True)
    ]
    scores = [float(ask("EVAL", *counts))] if counts else []
    scores += [float(hear.readline()) for _ in counts]
    return [[float(n) for n in line.split()] for line in counts], scores[:-1]


def tokenize_lists(lists: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same for lists of texts, in one go."""
    lines = iter(tokenize([text for texts in lists for text in texts]))
    return [list(itertools.islice(lines, len(texts))) for texts in lists]


def _serve(asked: dict[str, Any], process: subprocess.Popen[str]) -> JavaResult:
    candidates, references = tokenize(asked["candidates"]), tokenize_lists(asked["references"])
    counts, scores = measure_meteor(process, candidates, references)
    return JavaResult(candidates, references, counts, scores)


if __name__ == "__main__":
    with start_meteor() as running:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(asdict(_serve(json.loads(line), running))) + "\n")
            sys.stdout.flush()
