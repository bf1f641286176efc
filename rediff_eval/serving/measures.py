"""The counters of a server, in Prometheus' form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rediff.captioners.base import Caption
from rediff_eval.serving.batching import Batcher

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Measures:
    """Counts of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "rediff_requests", "Requests answered, by HTTP status.", ["status"], registry=registry
        )
        self.captions = Counter(
            "rediff_captions", "Captions written.", ["model"], registry=registry
        )
        self.tokens = Counter("rediff_tokens", "Tokens written.", ["model"], registry=registry)
        self.passes = Counter("rediff_passes", "Forward passes.", ["model"], registry=registry)
        self.batch = Histogram(
            "rediff_batch_size",
            "Requests of a batch.",
            ["model"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.seconds = Histogram(
            "rediff_batch_seconds",
            "Seconds of a batch.",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.waiting = Gauge("rediff_waiting", "Requests that wait.", ["model"], registry=registry)

    def watch(self, model: str, batcher: Batcher) -> None:
        """Reports how many requests of a model wait."""
        self.waiting.labels(model).set_function(lambda: len(batcher.waiting))

    def count_batch(self, model: str, requests: int, seconds: float) -> None:
        """Counts a batch of a model."""
        self.batch.labels(model).observe(requests)
        self.seconds.labels(model).observe(seconds)

    def count_caption(self, model: str, caption: Caption) -> None:
        """Counts a caption of a model."""
        self.captions.labels(model).inc()
        self.tokens.labels(model).inc(caption.tokens or 0)
        self.passes.labels(model).inc(caption.nfe or 0)

    def text(self) -> bytes:
        """Prometheus' text form."""
        return generate_latest(self.registry)
