"""Scoring 1,000 captions with all offline metrics, parses given: once, and for each metric.

Three ways in one process, on the same captions, references and graphs:

- ours: tokens, vectors and synonyms once, every metric from them;
- for each metric: every scorer is built and everything tokenized for each of the eight metrics, as
  lmms-eval's detailcaps task does when it aggregates;
- for each metric and each image: the same for each image by itself. A thousand images would take a
  day, so it is measured on the first `--images` and multiplied.

    python benchmarks/scoring.py --captions 1000 --images 3
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from rediff.scenes.grammar import write_caption
from rediff.scenes.world import sample_scene
from rediff_eval.metrics.capture.graph import CaptionGraph
from rediff_eval.metrics.capture.lexicon import wordnet
from rediff_eval.metrics.capture.lite import LiteParser
from rediff_eval.metrics.capture.score import Capture, CaptureConfig
from rediff_eval.metrics.ngram.corpus import score_tokens
from rediff_eval.metrics.ngram.java import JavaPrograms

METRICS = ("bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider", "capture")
REFERENCES = 3


@dataclass(frozen=True)
class Data:
    """Captions with references, and the graphs of all of them."""

    candidates: list[str]
    references: list[list[str]]
    graphs: list[CaptionGraph]
    reference_graphs: list[list[CaptionGraph]]

    def first(self, count: int) -> Data:
        return Data(
            self.candidates[:count], self.references[:count], self.graphs[:count],
            self.reference_graphs[:count],
        )  # fmt: skip


class HashEncoder:
    """Stands for the sentence encoder, which is not here: vectors from hashes, at no cost.

    So the ratio is without the cost of encoding the same phrases again and again.
    """

    name = "hash"

    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        digests = [hashlib.sha256(phrase.encode()).digest() for phrase in phrases]
        return np.stack([np.frombuffer(d, np.uint8) - 127.5 for d in digests])


def make_data(count: int) -> Data:
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng) for _ in range(count)]
    candidates = [write_caption(scene, rng) for scene in scenes]
    references = [[write_caption(scene, rng) for _ in range(REFERENCES)] for scene in scenes]
    parse = LiteParser().parse
    return Data(candidates, references, parse(candidates), [parse(some) for some in references])


def once(data: Data) -> dict[str, float]:
    with closing(JavaPrograms()) as java:
        found = java.score(data.candidates, data.references, seconds=3600)
    scores = score_tokens(found.candidates, found.references)
    capture = Capture(CaptureConfig(), HashEncoder())
    capture.encode_ahead([*data.graphs, *(g for some in data.reference_graphs for g in some)])
    return {
        **{name: float(some.values.mean()) for name, some in scores.items()},
        "meteor": float(np.mean(found.scores)),
        "capture": score_capture(capture, data),
    }


def score_capture(capture: Capture, data: Data) -> float:
    pairs = zip(data.graphs, data.reference_graphs, strict=True)
    return float(np.mean([capture.score(graph, some).capture for graph, some in pairs]))


def built_per_metric(data: Data) -> dict[str, float]:
    return {metric: one_metric(metric, data) for metric in METRICS}


def one_metric(metric: str, data: Data) -> float:
    """All scorers are built, and one is used."""
    scorers = {
        **{f"bleu{order}": Bleu(4) for order in range(1, 5)}, "meteor": Meteor(),
        "rouge_l": Rouge(), "cider": Cider(), "capture": Capture(CaptureConfig(), HashEncoder()),
    }  # fmt: skip
    if metric == "capture":
        return score_capture(scorers["capture"], data)
    tokenizer = PTBTokenizer()
    references = tokenizer.tokenize(
        {i: [{"caption": text} for text in some] for i, some in enumerate(data.references)}
    )
    candidates = tokenizer.tokenize({i: [{"caption": t}] for i, t in enumerate(data.candidates)})
    more = {"verbose": 0} if metric.startswith("bleu") else {}
    _, values = scorers[metric].compute_score(references, candidates, **more)
    return float(np.mean(values[int(metric[-1]) - 1] if more else values))


def built_per_image(data: Data) -> None:
    for image in range(len(data.candidates)):
        one = data.first(image + 1)
        built_per_metric(
            Data(
                one.candidates[-1:], one.references[-1:], one.graphs[-1:], one.reference_graphs[-1:]
            )
        )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=1000)
    parser.add_argument("--images", type=int, default=3)
    arguments = parser.parse_args()
    data = make_data(arguments.captions)
    wordnet().synonyms("warm")
    ours = seconds(lambda: once(data))
    print(f"once: {ours:.1f} s for {arguments.captions} captions")
    per_metric = seconds(lambda: built_per_metric(data))
    print(f"for each metric: {per_metric:.1f} s, {per_metric / ours:.1f} times as long")
    some = seconds(lambda: built_per_image(data.first(arguments.images)))
    scaled = some / arguments.images * arguments.captions
    print(
        f"for each metric and image: {some:.1f} s for {arguments.images} captions, so"
        f" {scaled:.0f} s for {arguments.captions}: {scaled / ours:.0f} times as long"
    )


if __name__ == "__main__":
    main()
