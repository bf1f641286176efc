"""One evaluation: load the samples, caption them, score the captions, write the results.

Started again after an interruption, the same evaluation resumes. `choose_folder`
(`results/resume.py`) finds its folder, `PartStore` (`rediff/io/part_store.py`) reads the captions
that are on disk there, the runner makes only the others, and those that failed once more.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rediff.captioners.sources import Loading, ModelSource
from rediff.io.rank import Rank
from rediff.llm_client.server import ServerSpec, cache_root
from rediff_eval.benchmarks.load import DataConfig, load_samples
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.benchmarks.task import Task
from rediff_eval.captioning.caption_store import open_store
from rediff_eval.captioning.config import CaptioningConfig, Condition
from rediff_eval.captioning.imported import Joined, captions_file, join, read_caption_sets
from rediff_eval.captioning.outcome import Outcome, Outcomes
from rediff_eval.captioning.runner import CaptionRunner
from rediff_eval.judging.choosing import choose_judge
from rediff_eval.judging.opening import opened
from rediff_eval.metrics.config import ScoringConfig
from rediff_eval.metrics.resources import Resources
from rediff_eval.preflight import (
    check_main_metric,
    check_needs,
    notes_about,
    probe_servers,
)
from rediff_eval.progress import Progress
from rediff_eval.results.finished import RESULTS
from rediff_eval.results.manifest import describe_run
from rediff_eval.results.numbers import Results
from rediff_eval.results.resume import check_folder, check_imported, mark_folder
from rediff_eval.results.scoring import check_failures, infos_of, main_metric, score_condition
from rediff_eval.views.run_folder import write_results


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Models and data of an evaluation, its scoring, and where the results are written.

    `max_failures`: share of the samples that may fail before the run counts as failed, of captions
    and of verdicts alike.
    """

    data: DataConfig
    captioning: CaptioningConfig
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    folder: Path
    max_failures: float = 0.05

    @property
    def task(self) -> Task:
        return self.data.task

    @property
    def settings(self) -> tuple[object, ...]:
        """All but the folder."""
        return self.data, self.captioning, self.scoring, self.max_failures

    def load_samples(self) -> SampleSet:
        """The samples. Raises as `load_samples`."""
        return load_samples(self.data, allowed=self.max_failures)

    def groups(self, samples: SampleSet) -> tuple[str, ...]:
        """The groups of metrics that are run on such samples."""
        return self.task.metrics_on(samples.kind)

    def judge(self, samples: SampleSet) -> ServerSpec | None:
        """The judge of such samples. Raises as `choose_judge`."""
        return choose_judge(self.scoring, self.groups(samples), samples, self.folder)


def evaluate(
    evaluation: Evaluation, progress: Progress, rank: Rank | None = None, *, again: bool = False
) -> Results | None:
    """Captions every sample of this rank in every condition; the leading rank scores.

    Results stored by an earlier start of the same run are not made again; failed samples are tried
    once more.

    Args:
        evaluation: to be run.
        progress: shows all work.
        rank: this process, if there are several.
        again: allow overwriting results that other settings made.

    Returns:
        The results; None for ranks that do not lead.

    Raises:
        ValueError, OSError: before any model is loaded, for unknown names, bad data, or a run
            folder that is busy or holds other results.
        RuntimeError: in the leading rank, if other ranks have gone without finishing.
        TooManyFailuresError: after everything was written, if more than `max_failures` of the
            samples of a condition failed, or all.
    """
    rank, folder, config = rank or Rank(), evaluation.folder, evaluation.captioning
    samples = evaluation.load_samples()
    judge, groups = evaluation.judge(samples), evaluation.groups(samples)
    check(evaluation, samples, progress)
    if not again:
        check_folder(folder, evaluation.task.name, samples, config, evaluation.scoring, judge)
    folder.mkdir(parents=True, exist_ok=True)
    if rank.leads:
        mark_folder(folder, evaluation.settings)
    started = time.perf_counter()
    ready = functools.cache(lambda: probe_servers(config.models, judge, groups))
    with open_store(folder, rank) as store:
        if not (folder / RESULTS).is_file():
            ready()
        runner = CaptionRunner(
            config=config,
            prompt=evaluation.task.prompt,
            tokens_per_step=evaluation.task.tokens_per_step,
            samples=samples.samples,
            store=store,
            rank=rank,
            progress=progress,
            ready=ready,
        )
        conditions = runner.caption_all()
        if not rank.leads:
            return None
        runner.wait(conditions)
        outcomes = Outcomes(conditions, runner.collect)
        results = score(
            evaluation, samples, outcomes, conditions, progress, rank=rank, started=started
        )
    check_failures(results.conditions, evaluation.max_failures)
    return results


def check(evaluation: Evaluation, samples: SampleSet, progress: Progress) -> None:
    """Checks all that scoring will need, and writes notes for the user.

    Args:
        evaluation: that will be run.
        samples: its samples.
        progress: takes the notes.

    Raises:
        ValueError, OSError: as `check_needs` and `check_main_metric`.
    """
    groups = evaluation.groups(samples)
    check_main_metric(evaluation.task.main_metric_on(samples.kind), groups)
    for note in notes_about(evaluation.captioning.models, samples):
        progress.note(note)
    check_needs(groups, evaluation.scoring, evaluation.judge(samples), samples, progress)


def score(
    evaluation: Evaluation,
    samples: SampleSet,
    outcomes: Iterable[Outcome],
    conditions: Sequence[Condition],
    progress: Progress,
    *,
    rank: Rank,
    started: float,
) -> Results:
    """Scores all outcomes and writes every file of the run folder.

    Args:
        evaluation: that was run.
        samples: its samples.
        outcomes: the answers of every condition; gone through twice, one at a time.
        conditions: those that were captioned here, with their keys.
        progress: shows all work.
        rank: this process.
        started: when the run began, by `time.perf_counter`.

    Raises:
        TooManyFailuresError: after everything was written; see `evaluate`.
    """
    config, task = evaluation.captioning, evaluation.task
    with (
        opened(evaluation.judge(samples)) as judge,
        closing(
            Resources(config=evaluation.scoring, judge=judge, progress=progress, cache=cache_root())
        ) as resources,
    ):
        scored = [score_condition(task, samples, outcome, resources) for outcome in outcomes]
        manifest = describe_run(
            task,
            samples,
            config,
            evaluation.scoring,
            judge,
            conditions,
            scored,
            rank=rank,
            seconds=time.perf_counter() - started,
        )
    results = Results(
        manifest={**manifest, "notes": notes_about(config.models, samples)},
        conditions=scored,
        main_metric=main_metric(task, samples, scored),
        metrics=infos_of(evaluation.groups(samples), scored),
    )
    write_results(results, outcomes, evaluation.folder)
    return results


def score_file(
    data: DataConfig,
    scoring: ScoringConfig,
    file: Path,
    folder: Path,
    *,
    name: str | None = None,
    max_missing: float = 0.05,
) -> tuple[Results, list[Joined]]:
    """Scores every set of captions in a file, and writes a run folder.

    Args:
        data: the samples that the captions belong to.
        scoring: how they are scored.
        file: of any form that `read_caption_sets` takes.
        folder: of the results.
        name: of the captions' model in results, the file's name unless given.
        max_missing: share of the samples that may have no caption.

    Raises:
        ValueError, OSError: as `read_caption_sets`, `join` and `load_samples`, before anything is
            written.
    """
    started = time.perf_counter()
    if file.resolve() == folder.resolve():
        raise ValueError(f"{file} is the run itself; choose another --out")
    source = ModelSource(name or file.stem, "captions", str(captions_file(file)), None, Loading())
    evaluation = Evaluation(
        data=data,
        captioning=CaptioningConfig(models=(source,)),
        scoring=scoring,
        folder=folder,
        max_failures=max_missing,
    )
    progress = Progress()
    samples = evaluation.load_samples()
    joined = [
        join(captions, samples.samples, allowed=max_missing)
        for captions in read_caption_sets(file, name)
    ]
    check(evaluation, samples, progress)
    check_imported(folder, data.task.name, samples, source.where)
    folder.mkdir(parents=True, exist_ok=True)
    mark_folder(folder, evaluation.settings)
    outcomes = [one.outcome for one in joined]
    results = score(evaluation, samples, outcomes, (), progress, rank=Rank(), started=started)
    return results, joined
