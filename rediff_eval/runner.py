"""A run: every model with every sampler at every budget on one task's samples."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace

from PIL import Image

from rediff.decoding.samplers import find_sampler
from rediff.models.captioner import Caption, Captioner, Decoding, Failure, Traits
from rediff_eval.manifest import describe_run
from rediff_eval.metrics import METRICS
from rediff_eval.opening import open_captioner
from rediff_eval.output import write_results
from rediff_eval.progress import Progress
from rediff_eval.registry import ModelChoice
from rediff_eval.results import CellResult, Results
from rediff_eval.samples import Sample, SampleSet, load_samples
from rediff_eval.spec import RunSpec
from rediff_eval.stats import Estimate, estimate
from rediff_eval.task import Task

CAPTIONS = "captions.jsonl"


@dataclass(frozen=True, slots=True)
class Cell:
    """One model with one sampler at one budget; no budget where the model has no steps."""

    model: str
    sampler: str
    steps: int | None
    tokens_per_step: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The captions of a cell, in sample order, without the failed ones; errors by sample id."""

    cell: Cell
    samples: tuple[Sample, ...]
    captions: tuple[Caption, ...]
    failures: dict[str, str]


def run(spec: RunSpec, progress: Progress) -> Results:
    """Captions every sample in every cell, scores, and writes all to `spec.out`.

    Captions are on disk, one JSON line each, as soon as their batch is done. Raises ValueError
    for unknown names or bad data before anything is loaded, and if more than `max_failures` of
    the samples of a cell failed.
    """
    for name in (*spec.samplers, *(m.sampler for m in spec.models if m.sampler)):
        find_sampler(name)
    samples = load_samples(spec.task, spec.limit, spec.data)
    spec.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    outcomes = []
    with (spec.out / CAPTIONS).open("w", encoding="utf-8") as log:
        for model in spec.models:
            with closing(open_captioner(model, spec.loading, base_url=spec.base_url)) as captioner:
                for cell in plan_cells(spec, model, captioner.traits):
                    outcome = _run_cell(spec, cell, captioner, samples, progress)
                    log.writelines(json.dumps(row) + "\n" for row in _rows(outcome))
                    log.flush()
                    outcomes.append(outcome)
    results = Results(
        manifest=describe_run(spec, samples, time.perf_counter() - started),
        cells=[score_cell(spec, samples, outcome) for outcome in outcomes],
        main_metric=_main_metric(spec.task, outcomes),
    )
    write_results(results, spec.out)
    _check_failures(spec, outcomes)
    return results


def plan_cells(spec: RunSpec, model: ModelChoice, traits: Traits) -> Iterator[Cell]:
    """The cells of one model.

    Raises ValueError for more steps than the model writes tokens, or for a sampler where the model
    takes none of ours.
    """
    if model.sampler and not traits.takes_samplers:
        raise ValueError(
            f"{model.name} decodes in its own way ({traits.sampler}), not with a sampler of ours"
        )
    samplers: tuple[str, ...] = (traits.sampler,)
    if traits.takes_samplers:
        samplers = (model.sampler,) if model.sampler else spec.samplers or samplers
    for sampler in samplers:
        for steps in _budgets(spec, model, traits):
            yield Cell(model.name, sampler, steps, _tokens_per_step(traits, steps))


def _budgets(spec: RunSpec, model: ModelChoice, traits: Traits) -> tuple[int | None, ...]:
    if not traits.takes_steps:
        return (traits.length if traits.kind == "autoregressive" else None,)
    if traits.steps is not None:
        return spec.steps or (traits.steps,)
    assert traits.length is not None
    for steps in spec.steps:
        if not 0 < steps <= traits.length:
            raise ValueError(
                f"{steps} steps: {model.name} writes {traits.length} tokens, at least one a step"
            )
    return spec.steps or tuple(traits.length // tokens for tokens in spec.task.tokens_per_step)


def _tokens_per_step(traits: Traits, steps: int | None) -> float | None:
    return None if steps is None or traits.length is None else traits.length / steps


def _run_cell(
    spec: RunSpec, cell: Cell, captioner: Captioner, samples: SampleSet, progress: Progress
) -> Outcome:
    done: list[tuple[Sample, Caption]] = []
    failures: dict[str, str] = {}
    sampler = find_sampler(cell.sampler) if captioner.traits.takes_samplers else None
    decoding = Decoding(sampler=sampler, steps=cell.steps)
    title = f"{cell.model} {cell.sampler}" + (f" {cell.steps} steps" if cell.steps else "")
    with progress.task(title, len(samples.samples)) as advance:
        for start in range(0, len(samples.samples), spec.batch_size):
            batch = samples.samples[start : start + spec.batch_size]
            readable, images = _open_all(batch, failures)
            if images:
                replies = captioner.caption(
                    images, decoding, prompt=spec.task.prompt, ids=[s.id for s in readable]
                )
                for sample, reply in zip(readable, replies, strict=True):
                    if isinstance(reply, Failure):
                        failures[sample.id] = reply.error
                    else:
                        done.append((sample, reply))
            advance(len(batch))
    return Outcome(cell, tuple(s for s, _ in done), tuple(c for _, c in done), failures)


def _open_all(
    batch: Sequence[Sample], failures: dict[str, str]
) -> tuple[list[Sample], list[Image.Image]]:
    readable, images = [], []
    for sample in batch:
        try:
            images.append(sample.open())
        except ValueError as error:
            failures[sample.id] = str(error)
        else:
            readable.append(sample)
    return readable, images


def _rows(outcome: Outcome) -> Iterator[dict[str, object]]:
    cell = asdict(outcome.cell)
    for sample, caption in zip(outcome.samples, outcome.captions, strict=True):
        yield {**cell, "id": sample.id, **asdict(replace(caption, trace=None))}
    for sample_id, error in outcome.failures.items():
        yield {**cell, "id": sample_id, "error": error}


def score_cell(spec: RunSpec, samples: SampleSet, outcome: Outcome) -> CellResult:
    """All metrics of one cell, and a clause for each group of metrics that could not be run."""
    estimates: dict[str, Estimate] = {}
    not_run: dict[str, str] = {}
    for group in spec.task.metrics:
        metric = METRICS[group]()
        reason = metric.applies(outcome.samples) if outcome.samples else "no captions"
        if reason:
            not_run[group] = reason
            continue
        for name, scores in metric.score(outcome.samples, outcome.captions).items():
            estimates[name] = estimate(scores, seed=spec.seed)
    cell = outcome.cell
    return CellResult(
        task=spec.task.name, data=samples.name, model=cell.model, sampler=cell.sampler,
        steps=cell.steps, tokens_per_step=cell.tokens_per_step, seed=spec.seed,
        metrics=estimates, not_run=not_run, failures=outcome.failures,
    )  # fmt: skip


def _main_metric(task: Task, outcomes: Sequence[Outcome]) -> str:
    """The task's main metric, or CIDEr where the samples have no scene graph."""
    samples = [sample for outcome in outcomes for sample in outcome.samples]
    return task.main_metric if all(sample.scene for sample in samples) else "cider"


def _check_failures(spec: RunSpec, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        total = len(outcome.failures) + len(outcome.samples)
        if outcome.failures and len(outcome.failures) > spec.max_failures * total:
            name, error = next(iter(outcome.failures.items()))
            raise TooManyFailuresError(
                f"{len(outcome.failures)} of {total} samples failed with {outcome.cell.model};"
                f" the first, {name}: {error}"
            )


class TooManyFailuresError(RuntimeError):
    """More samples failed than the run allows; everything else was written."""
