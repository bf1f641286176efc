"""Servers are asked one word before a run spends anything."""

from __future__ import annotations

from rediff.llm_client.dialect import Dialect
from rediff.llm_client.probe import probe
from rediff_eval.judging.choosing import choose_judge
from rediff_eval.judging.opening import is_oracle
from rediff_eval.captioning.opening import server_of
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.spec import RunSpec

SEEN = frozenset({"factuality", "caparena"})
"""Metrics whose judge is shown the picture."""


def probe_servers(spec: RunSpec, samples: SampleSet) -> None:
    """Probes every server that the run will need: of its models, and of its judge.

    Raises ValueError saying which cannot be asked, and why.
    """
    for model in spec.models:
        if model.kind == "openai":
            server = server_of(model, spec.loading, spec.base_url, spec.key_env)
            probe(server, "the model", with_picture=True)
    judge = choose_judge(spec, samples)
    if judge is not None and not is_oracle(judge):
        seen = bool(SEEN & set(spec.task.metrics_on(samples.kind)))
        learnt = probe(judge, "the judge", with_picture=seen)
        if judge.batch and learnt != Dialect():
            raise ValueError(
                f"{judge.model} takes requests in another form than those of a batch ({learnt}):"
                " ask it without --judge-batch"
            )
