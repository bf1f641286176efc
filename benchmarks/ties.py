"""How true an autoregressive teacher stays, and how alike its sentences, by the ratio of its ties.

    python benchmarks/ties.py train-0/left-to-right/model --ratio 1 0.5 0.25

Prints CAPTURE, fluency and repetition of its captions of training scenes, and the entropy of the
forms of their sentences (the words that state facts left out), in bits, as Markdown. The fewer
bits, the less a student has to guess.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from rediff.captioners.autoregressive import AutoregressiveCaptioner, FirstOfTies
from rediff.captioners.base import CaptionRequest
from rediff.models.checkpoint import Checkpoint
from rediff.scenes.dataset import scene_rows
from rediff.scenes.scoring import score_caption
from rediff.scenes.training.facts import FACTS_OF_THINGS
from rediff.scenes.world import Scene

FACT_WORDS = frozenset(word for words in FACTS_OF_THINGS for word in words)
METRICS = ("capture", "fluency", "repetition")


def captions(
    captioner: AutoregressiveCaptioner, ratio: float, rows: list[dict[str, Any]]
) -> list[str]:
    """What a teacher with these ties writes about some scenes, 50 at a time."""
    texts = []
    for start in range(0, len(rows), 50):
        requests = [CaptionRequest(image=row["image"]) for row in rows[start : start + 50]]
        written = captioner.decode(requests, FirstOfTies(ratio))
        texts += [captioner.checkpoint.text(row.response) for row in written]
    return texts


def bits(texts: list[str]) -> float:
    """Entropy of the forms of sentences."""
    forms = Counter(
        " ".join("_" if word.strip(",.") in FACT_WORDS else word for word in sentence.split())
        for text in texts
        for sentence in text.split(". ")
    )
    shares = np.array(list(forms.values())) / forms.total()
    return float(-(shares * np.log2(shares)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--ratio", type=float, nargs="+", default=[1, 0.5, 0.25])
    parser.add_argument("--scenes", type=int, default=500)
    options = parser.parse_args()
    rows = list(scene_rows("train", options.scenes, captions=1))
    scenes = [Scene.from_json(row["scene"]) for row in rows]
    print("| teacher | ratio |", " | ".join(METRICS), "| bits |")
    print("|---|" + "---|" * (len(METRICS) + 2))
    for folder in options.checkpoints:
        checkpoint = Checkpoint.load(folder)
        if checkpoint.config.kind != "autoregressive":
            raise SystemExit(f"{folder}: a diffusion model does not write from left to right")
        captioner = AutoregressiveCaptioner(checkpoint)
        for ratio in options.ratio:
            texts = captions(captioner, ratio, rows)
            scores = [score_caption(*pair) for pair in zip(texts, scenes, strict=True)]
            means = (f"{np.mean([score[metric] for score in scores]):.3f}" for metric in METRICS)
            print(f"| {folder} | {ratio} |", " | ".join(means), f"| {bits(texts):.2f} |")


if __name__ == "__main__":
    main()
