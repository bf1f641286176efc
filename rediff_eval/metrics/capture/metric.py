"""CAPTURE as a metric, by FACTUAL's parser or by the reader that needs no download."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import (
    MetricInfo,
    Scored,
    Scores,
    needs_references,
    register_metric,
)
from rediff_eval.metrics.capture.lite import LiteParser
from rediff_eval.metrics.capture.parsing import ENCODER_ID, FACTUAL_ID, Parser
from rediff_eval.metrics.capture.score import Capture
from rediff_eval.metrics.resources import Resources

F1S = ("object_f1", "attribute_f1", "relation_f1")


@register_metric(
    "capture",
    infos=[MetricInfo("capture", label="CAPTURE"), *(MetricInfo(name) for name in F1S)],
)
class CaptureMetric:
    """`capture` and its F1s of objects, attributes, relations: means over references, samples."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @property
    def scorer(self) -> str:
        parser, encoder = self.resources.parser, self.resources.sentence_encoder
        names = [part.name for part in (parser, encoder) if part is not None]
        return f"capture {self.resources.preset}, {' '.join(names)}"

    def unavailable(self) -> str | None:
        if self.resources.config.factual is None or self.resources.config.encoder is None:
            return (
                f"needs its models: --factual {FACTUAL_ID} --encoder {ENCODER_ID}, or their folders"
            )
        return None

    def lacks(self, sample: Sample) -> str | None:
        return needs_references(sample)

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        assert self.resources.parser is not None
        return _score(
            self.resources, self.resources.parser, self.resources.capture, samples, answers
        )


@register_metric(
    "capture-lite",
    infos=[
        MetricInfo("capture_lite", label="CAPTURE-lite", instead="capture"),
        *(MetricInfo(f"lite_{name}", part=True) for name in F1S),
    ],
)
class CaptureLiteMetric:
    """`capture_lite` and its parts: CAPTURE's formula on the facts that a simple reader finds.

    Its numbers are not CAPTURE's. Nothing is downloaded; matching is exact or by WordNet.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @property
    def scorer(self) -> str:
        return f"capture-lite {self.resources.preset}"

    def unavailable(self) -> str | None:
        return None

    def lacks(self, sample: Sample) -> str | None:
        return needs_references(sample)

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        found = _score(self.resources, LiteParser(), self.resources.capture_lite, samples, answers)
        return Scored(
            {
                "capture_lite" if name == "capture" else f"lite_{name}": scores
                for name, scores in found.scores.items()
            }
        )


def _score(
    resources: Resources,
    parser: Parser,
    capture: Capture,
    samples: Sequence[Sample],
    answers: Sequence[Answer],
) -> Scored:
    texts = [ref for sample in samples for ref in sample.references]
    graphs = iter(resources.read(parser, [*(answer.text for answer in answers), *texts]))
    candidates = [next(graphs) for _ in answers]
    references = [[next(graphs) for _ in sample.references] for sample in samples]
    capture.encode_ahead([*candidates, *(graph for some in references for graph in some)])
    columns: defaultdict[str, list[float]] = defaultdict(list)
    for candidate, some in zip(candidates, references, strict=True):
        score = asdict(capture.score(candidate, some))
        for name in ("capture", *F1S):
            columns[name].append(score[name])
    return Scored({name: Scores.of(values) for name, values in columns.items()})
