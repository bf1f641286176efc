"""A run: every model with every sampler at every budget on one task's samples."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import torch
from PIL import Image

from rediff.decoding.registry import find_sampler
from rediff.captioners.base import Caption, Captioner, Decoding, Failure, SendsPictures
from rediff.captioners.precomputed import PrecomputedCaptioner
from rediff_eval.captioning.answers import Answer
from rediff_eval.captioning.conditions import Cell, plan_cells
from rediff_eval.captioning.cache_key import cell_key, model_identity
from rediff_eval.evaluate import check, finish
from rediff_eval.captioning.opening import open_captioner
from rediff_eval.preflight import probe_servers
from rediff_eval.progress import Progress
from rediff.io.rank import Rank
from rediff_eval.captioning.models import ModelChoice
from rediff_eval.results.numbers import Results
from rediff_eval.results.run_folder import check_folder, mark_folder
from rediff_eval.benchmarks.sample import Sample, SampleSet
from rediff_eval.metrics.scoring import Outcome, check_failures
from rediff_eval.benchmarks.load import samples_of
from rediff_eval.spec import RunSpec
from rediff_eval.captioning.caption_store import Key, Store


def run(
    spec: RunSpec, progress: Progress, rank: Rank | None = None, *, again: bool = False
) -> Results | None:
    """Captions every sample of this rank in every cell; the leading rank scores.

    What an earlier start of the same run has done is not done again; failed samples are tried once
    more. `again`: results in the folder may be of other settings, as those of an earlier training.
    Returns None for ranks that do not lead. Raises ValueError for unknown names, bad data, or a run
    folder that is busy or holds other results before anything is loaded, and TooManyFailuresError,
    after everything was written, if more than `max_failures` of the samples of a cell failed, or
    all.
    """
    rank = rank or Rank()
    for name in (*spec.samplers, *(m.sampler for m in spec.models if m.sampler)):
        find_sampler(name)
    samples = samples_of(spec)
    check(spec, samples, progress)
    if not again:
        check_folder(spec, samples)
    spec.out.mkdir(parents=True, exist_ok=True)
    if rank.leads:
        mark_folder(spec)
    started = time.perf_counter()
    ready = functools.cache(lambda: probe_servers(spec, samples))
    identities: dict[str, Mapping[str, str]] = {}
    with Store(spec.out, rank) as store:
        if not (spec.out / "results.json").is_file():
            ready()
        cells = dict.fromkeys(
            cell
            for model in spec.models
            for cell in _run_model(spec, model, samples, store, rank, progress, ready, identities)
        )
        if not rank.leads:
            return None
        store.wait_for(
            (_key(cell, sample) for cell in cells for sample in samples.samples), grace=spec.grace
        )
        outcomes = [_collect(cell, samples, store) for cell in cells]
        keys = {cell.title: cell.key for cell in cells}
        results = finish(
            spec, samples, outcomes, progress, keys=keys, rank=rank, started=started,
            identities=identities,
        )  # fmt: skip
    check_failures(results.cells, spec.max_failures)
    return results


def _run_model(
    spec: RunSpec, model: ModelChoice, samples: SampleSet, store: Store, rank: Rank,
    progress: Progress, ready: Callable[[], None], identities: dict[str, Mapping[str, str]],
) -> list[Cell]:  # fmt: skip
    """Captions every sample in a model's cells; the model's identity is added to `identities`."""
    identity = model_identity(model, code=spec.loading.trust_remote_code, base_url=spec.base_url)
    identities[model.name] = identity
    loading = spec.loading
    if loading.device is None and rank.world > 1 and loading.place == "cuda":
        loading = replace(loading, device=f"cuda:{rank.local % torch.cuda.device_count()}")
    with closing(open_captioner(model, loading, spec.base_url, spec.key_env)) as captioner:
        traits = captioner.traits
        cells = [
            replace(cell, key=cell_key(spec, identity, traits, cell.sampler, cell.steps))
            for cell in plan_cells(spec, model, traits)
        ]
        for cell in cells:
            _run_cell(spec, cell, captioner, samples, store, rank, progress, ready)
    return cells


def _key(cell: Cell, sample: Sample) -> Key:
    return Key(cell.key, sample.id, sample.digest)


def _is_done(store: Store, key: Key, *, traced: bool) -> bool:
    line = store.get(key)
    return line is not None and "error" not in line and ("trace" in line or not traced)


def _run_cell(
    spec: RunSpec, cell: Cell, captioner: Captioner, samples: SampleSet, store: Store, rank: Rank,
    progress: Progress, ready: Callable[[], None],
) -> None:  # fmt: skip
    """Captions what this rank has left to do, each sample on disk as soon as its batch is done.

    `ready`: looks once whether all servers can be asked, and raises if not.
    """
    traced = {sample.id for sample in samples.samples[: spec.traces]}
    own = [sample for sample in samples.samples if rank.owns(sample.id)]
    sampled = captioner.traits.takes_samplers
    todo = [
        sample for sample in own
        if not _is_done(store, _key(cell, sample), traced=sampled and sample.id in traced)
    ]  # fmt: skip
    if todo:
        ready()
    decoding = Decoding(
        sampler=find_sampler(cell.sampler) if sampled else None,
        steps=cell.steps,
        trace=sampled,
        guidance=spec.guidance,
    )
    with progress.task(cell.title, len(own), done=len(own) - len(todo)) as advance:
        for start in range(0, len(todo), spec.batch_size):
            batch = todo[start : start + spec.batch_size]
            for sample, reply in _caption(spec, captioner, batch, decoding):
                said = sample.asked(spec.task.prompt)
                answer = Answer.of(reply, sample.scene, said, keep_trace=sample.id in traced)
                store.append(_key(cell, sample), answer.to_record())
            advance(len(batch))


def _caption(
    spec: RunSpec, captioner: Captioner, batch: Sequence[Sample], decoding: Decoding
) -> Iterator[tuple[Sample, Caption | Failure]]:
    readable: list[Sample] = []
    images: list[Image.Image] = []
    for sample in batch:
        try:
            images.append(sample.open())
        except (ValueError, OSError) as error:
            yield sample, Failure(str(error))
        else:
            readable.append(sample)
    if images:
        replies = _ask(spec, captioner, images, readable, decoding)
        yield from zip(readable, replies, strict=True)


def _ask(
    spec: RunSpec, captioner: Captioner, images: list[Image.Image], samples: list[Sample],
    decoding: Decoding,
) -> list[Caption | Failure]:  # fmt: skip
    """The captioner's replies; a picture that it refuses fails alone, not with its batch."""
    said = [sample.asked(spec.task.prompt) for sample in samples]
    ids = [_called(captioner, sample) for sample in samples]
    try:
        if isinstance(captioner, SendsPictures):
            return captioner.caption_urls([s.data_url() for s in samples], said=said)
        return captioner.caption(images, decoding, said=said, ids=ids)
    except ValueError as error:
        if len(images) == 1:
            return [Failure(str(error))]
    return [
        reply
        for image, own in zip(images, samples, strict=True)
        for reply in _ask(spec, captioner, [image], [own], decoding)
    ]


def _called(captioner: Captioner, sample: Sample) -> str:
    """The name by which a captioner knows a sample: a file of captions may use another."""
    if not isinstance(captioner, PrecomputedCaptioner):
        return sample.id
    return next((n for n in (sample.id, *sample.aliases) if captioner.knows(n)), sample.id)


def _collect(cell: Cell, samples: SampleSet, store: Store) -> Outcome:
    lines = {sample.id: store.get(_key(cell, sample)) for sample in samples.samples}
    answers = {i: Answer.from_record(line) for i, line in lines.items() if line is not None}
    assert len(answers) == len(samples.samples)
    return Outcome(
        cell=cell,
        samples=tuple(s for s in samples.samples if answers[s.id].error is None),
        answers=tuple(a for a in answers.values() if a.error is None),
        failures={i: a.error for i, a in answers.items() if a.error is not None},
    )
