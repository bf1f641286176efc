"""CAPTURE and related metrics from exact scene graphs: facts stated against facts of the scene."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rediff.scenes.scoring import score_caption
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.metrics.base import (
    AlwaysAvailable,
    MetricInfo,
    Scored,
    Scores,
    register_metric,
)


@register_metric(
    "scene-graph",
    infos=[
        MetricInfo("capture", label="CAPTURE"),
        MetricInfo("object_f1"),
        MetricInfo("attribute_f1"),
        MetricInfo("relation_f1"),
        MetricInfo("hallucination", lower_is_better=True),
        MetricInfo("coverage"),
        MetricInfo("repetition", lower_is_better=True),
        MetricInfo("fluency"),
    ],
)
class SceneGraphMetric(AlwaysAvailable):
    """Scores captions of embedded scenes.

    `capture`: (5 object F1 + 5 attribute F1 + 2 relation F1) / 12, in [0, 1]. `hallucination`:
    share of the stated facts that are false. `coverage`: share of the scene's facts that were
    stated. `repetition`: share of the runs of four words that were in the caption before.
    `fluency`: share of the sentences that the grammar accepts.
    """

    scorer = "scene-graph"

    def lacks(self, sample: Sample) -> str | None:
        return None if sample.scene else "needs scene graphs"

    def score(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> Scored:
        columns: defaultdict[str, list[float]] = defaultdict(list)
        for sample, answer in zip(samples, answers, strict=True):
            assert sample.scene is not None
            for name, value in score_caption(answer.text, sample.scene).items():
                columns[name].append(value)
        return Scored({name: Scores.of(values) for name, values in columns.items()})
