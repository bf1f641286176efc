"""Checks the needs of a run before hours are spent."""

from __future__ import annotations

from collections.abc import Sequence

from rediff.captioners.sources import SCENES_ONLY, ModelSource, knows_scenes_only
from rediff.io.suggest import unknown
from rediff.llm_client.dialect import Dialect
from rediff.llm_client.probe import probe
from rediff.llm_client.server import ServerSpec
from rediff.plugins import BUILT_IN
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.judging.choosing import judge_loads
from rediff_eval.judging.opening import check as check_judge
from rediff_eval.judging.opening import is_oracle
from rediff_eval.metrics.base import METRICS
from rediff_eval.metrics.capture.nouns import NltkNouns
from rediff_eval.metrics.config import ScoringConfig
from rediff_eval.metrics.resources import Resources, checkpoint
from rediff_eval.progress import Progress


def check_needs(
    groups: Sequence[str],
    config: ScoringConfig,
    judge: ServerSpec | None,
    samples: SampleSet,
    progress: Progress,
) -> None:
    """Checks all that scoring will need; notes which metrics leave samples out.

    Raises:
        ValueError, OSError: with one sentence about the missing part: a metric of that name, a key,
            a prompt's file, a checkpoint of CAPTURE's, NLTK or its data.
    """
    resources = Resources(config=config)
    for group in groups:
        metric = METRICS[group].make(resources)
        lacks = [lack for sample in samples.samples if (lack := metric.lacks(sample))]
        count, total = len(lacks), len(samples.samples)
        if count and count == total:
            progress.note(f"{group} will not be run: {lacks[0]}, and no sample has any")
        elif count:
            progress.note(f"{group} leaves out {count} of {total} samples: {lacks[0]}")
    if judge is not None:
        check_judge(judge)
    for group in groups:
        for source in METRICS[group].prompts:
            resources.prompt(source)
    if "capture" in groups and config.factual and config.encoder:
        checkpoint(config.factual)
        checkpoint(config.encoder)
        NltkNouns().nouns("A test.")


def check_main_metric(name: str, groups: Sequence[str]) -> None:
    """Checks that a task's main metric is one of its groups of metrics.

    A group of a plug-in may have metrics that it says nothing of.

    Raises:
        ValueError: for a name that none has, with the nearest.
    """
    known = [info.name for group in groups for info in METRICS[group].infos]
    if name not in known and all(METRICS.entries[group].origin == BUILT_IN for group in groups):
        raise unknown("main_metric", name, known)


def notes_about(models: Sequence[ModelSource], samples: SampleSet) -> list[str]:
    """Notes on unread files of the data, and on models that know nothing of such pictures."""
    strangers = () if samples.kind == "scenes" else filter(knows_scenes_only, models)
    return [*samples.notes, *(f"{model.name} {SCENES_ONLY}" for model in strangers)]


def probe_servers(
    models: Sequence[ModelSource], judge: ServerSpec | None, groups: Sequence[str]
) -> None:
    """Asks every server that a run will need one word.

    Args:
        models: those on servers are asked.
        judge: None for none.
        groups: of metrics; they say whether the judge is shown pictures.

    Raises:
        ValueError: saying which server cannot be asked, and why.
    """
    for model in models:
        if (server := model.server) is not None:
            probe(server, "the model", with_picture=True)
    if judge is None or is_oracle(judge):
        return
    sees = any(load.sees_picture for load in judge_loads(groups))
    dialect = probe(judge, "the judge", with_picture=sees)
    if judge.batch and dialect != Dialect():
        raise ValueError(
            f"{judge.model} takes requests in another form than those of a batch ({dialect}):"
            " ask it without --judge-batch"
        )
