"""Metrics by the names that tasks use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rediff_eval.metrics.base import Metric
from rediff_eval.metrics.cost import CostMetric
from rediff_eval.metrics.ngram import NgramMetric
from rediff_eval.metrics.revision import RevisionMetric
from rediff_eval.metrics.scene_graph import SceneGraphMetric

METRICS: Mapping[str, Callable[[], Metric]] = {
    "scene-graph": SceneGraphMetric,
    "ngram": NgramMetric,
    "cost": CostMetric,
    "revision": RevisionMetric,
}
