"""The evaluation harness: benchmarks, metrics, runs and leaderboards for any captioner.

A name listed here is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rediff.io.lazy import lazy_names

if TYPE_CHECKING:
    from rediff_eval.benchmarks.sample import Sample
    from rediff_eval.captioning.answers import Answer
    from rediff_eval.metrics.base import MetricInfo, register_metric, register_sample_metric

__all__ = ["Answer", "MetricInfo", "Sample", "register_metric", "register_sample_metric"]

_MODULES = {
    "Answer": "captioning.answers",
    "MetricInfo": "metrics.base",
    "Sample": "benchmarks.sample",
    "register_metric": "metrics.base",
    "register_sample_metric": "metrics.base",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
