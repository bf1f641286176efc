"""From the answers of a run to its results and their files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rediff.llm_client.server import cache_root
from rediff.io.suggest import unknown
from rediff_eval.judging.choosing import choose_judge
from rediff_eval.judging.opening import check as check_judge
from rediff_eval.judging.opening import opened
from rediff_eval.results.manifest import describe_run
from rediff_eval.metrics.capture.nouns import NltkNouns
from rediff_eval.metrics.registry import JUDGED, METRICS
from rediff_eval.metrics.resources import Resources, checkpoint, load_prompts
from rediff_eval.results.files import write_results
from rediff_eval.progress import Progress
from rediff.io.rank import Rank
from rediff_eval.captioning.models import SCENES_ONLY, knows_scenes_only
from rediff_eval.results.numbers import Results
from rediff_eval.benchmarks.sample import SampleSet
from rediff_eval.metrics.scoring import Outcome, main_metric, score_cell
from rediff_eval.spec import RunSpec


def finish(
    spec: RunSpec, samples: SampleSet, outcomes: Sequence[Outcome], progress: Progress,
    *, keys: Mapping[str, str], rank: Rank, started: float,
    identities: Mapping[str, Mapping[str, str]] | None = None,
) -> Results:  # fmt: skip
    """Scores all cells and writes every file of the run folder.

    `keys`: of the cells, by their titles. `identities`: of the models, by their names. `started`:
    by `time.perf_counter`.
    """
    with opened(choose_judge(spec, samples)) as judge:
        resources = Resources(
            spec=replace(spec.scoring, seed=spec.seed), judge=judge, progress=progress,
            cache=cache_root(), device=spec.loading.place,
        )  # fmt: skip
        cells = [score_cell(spec.task, samples, outcome, resources) for outcome in outcomes]
        results = Results(
            manifest={
                **describe_run(
                    spec,
                    samples,
                    keys,
                    cells,
                    judge,
                    rank,
                    time.perf_counter() - started,
                    identities or {},
                ),
                "notes": [*samples.notes, *strangers(spec, samples)],
            },
            cells=cells,
            main_metric=main_metric(spec.task, samples, cells),
        )
    write_results(results, outcomes, spec.out)
    return results


def check(spec: RunSpec, samples: SampleSet, progress: Progress) -> None:
    """Looks for all that scoring will need, before hours are spent on captions.

    Tells what was found in the data and not read, and which metrics none of the samples can have.
    Raises ValueError or OSError with one sentence about what is missing: a metric of that name, a
    key, a prompt's file, a checkpoint of CAPTURE's, NLTK or its data.
    """
    for note in (*samples.notes, *strangers(spec, samples)):
        progress.note(note)
    for group, (count, lack) in _lacking(spec, samples).items():
        if count == len(samples.samples):
            progress.note(f"{group} will not be run: {lack}, and no sample has any")
        else:
            progress.note(f"{group} leaves out {count} of {len(samples.samples)} samples: {lack}")
    if (judge := choose_judge(spec, samples)) is not None:
        check_judge(judge)
    groups = set(spec.task.metrics_on(samples.kind))
    if groups & JUDGED:
        load_prompts(spec.scoring)
    if "capture" in groups and spec.scoring.factual and spec.scoring.encoder:
        checkpoint(spec.scoring.factual)
        checkpoint(spec.scoring.encoder)
        NltkNouns().nouns("A test.")


def strangers(spec: RunSpec, samples: SampleSet) -> list[str]:
    """A sentence for each model that knows nothing of such pictures."""
    if samples.kind == "scenes":
        return []
    return [f"{m.name} {SCENES_ONLY}" for m in spec.models if knows_scenes_only(m)]


def _lacking(spec: RunSpec, samples: SampleSet) -> dict[str, tuple[int, str]]:
    """How many samples lack what a group of metrics needs, and what the first of them lacks.

    Raises ValueError, suggesting the nearest, for a group that there is not.
    """
    found = {}
    for group in spec.task.metrics_on(samples.kind):
        if group not in METRICS:
            raise unknown("metric", group, METRICS)
        metric = METRICS[group](Resources(spec=spec.scoring))
        lacks = [lack for sample in samples.samples if (lack := metric.lacks(sample))]
        if lacks:
            found[group] = len(lacks), lacks[0]
    return found
