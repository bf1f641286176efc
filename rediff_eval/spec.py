"""What a run is asked to do, resolved and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rediff.llm_client.server import KEY, ServerSpec
from rediff.captioners.base import Decoding
from rediff.captioners.loading import Loading
from rediff_eval.metrics.spec import ScoringSpec
from rediff_eval.captioning.models import ModelChoice
from rediff_eval.benchmarks.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What to run. Where `samplers` or `steps` are empty, each model's own and the task's hold.

    `base_url`: of the server of `openai:` models. `key_env`: environment variable of its key.
    `guidance`: scale of classifier-free guidance.
    `traces`: samples, the first ones, whose denoising steps are kept. `grace`: seconds that the
    leading process waits for others once none is at work. `max_failures`: share of the samples
    that may fail before the run counts as failed, of captions and of verdicts alike. `data`: the
    user's own; `data_dir`: the folder of the task's official data. `judge`: None for the oracle
    where it can judge, which is on scenes.
    """

    task: Task
    models: tuple[ModelChoice, ...]
    samplers: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    limit: int | None = None
    seed: int = 0
    batch_size: int = 16
    data: Path | None = None
    data_dir: Path | None = None
    scoring: ScoringSpec = field(default_factory=ScoringSpec)
    judge: ServerSpec | None = None
    loading: Loading = field(default_factory=Loading)
    base_url: str | None = None
    key_env: str = KEY
    guidance: float = 0.0
    traces: int = 8
    grace: float = 60.0
    out: Path
    max_failures: float = 0.05

    def __post_init__(self) -> None:
        Decoding(guidance=self.guidance)  # refuses a scale that is not finite
