"""Metrics by the names that tasks use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rediff_eval.metrics.arena.metric import ArenaMetric
from rediff_eval.metrics.base import Metric
from rediff_eval.metrics.capture.metric import CaptureLiteMetric, CaptureMetric
from rediff_eval.metrics.clair import ClairMetric
from rediff_eval.metrics.cost import CostMetric
from rediff_eval.metrics.coverage import CoverageMetric
from rediff_eval.metrics.factuality import FactualityMetric
from rediff_eval.metrics.ngram.lite import NgramLiteMetric
from rediff_eval.metrics.ngram.official import NgramMetric
from rediff_eval.metrics.resources import Resources
from rediff_eval.metrics.revision import RevisionMetric
from rediff_eval.metrics.scene_graph import SceneGraphMetric
from rediff_eval.metrics.true_answers import TrueAnswersMetric

JUDGED = frozenset({"clair", "coverage", "factuality", "caparena"})
"""Those that a judge makes."""
METRICS: Mapping[str, Callable[[Resources], Metric]] = {
    "scene-graph": SceneGraphMetric,
    "true-answers": TrueAnswersMetric,
    "capture": CaptureMetric,
    "capture-lite": CaptureLiteMetric,
    "clair": ClairMetric,
    "coverage": CoverageMetric,
    "factuality": FactualityMetric,
    "caparena": ArenaMetric,
    "ngram": NgramMetric,
    "ngram-lite": NgramLiteMetric,
    "cost": CostMetric,
    "revision": RevisionMetric,
}
