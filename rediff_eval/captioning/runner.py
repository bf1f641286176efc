"""Captions every sample in every condition, and stores each caption before it counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch
from PIL import Image

from rediff.captioners.base import Caption, Captioner, CaptionRequest, Decoding, Failure
from rediff.captioners.sources import SCHEMES, ModelSource
from rediff.decoding.registry import SAMPLERS, find_sampler, sampler_name
from rediff.io.part_store import PartStore
from rediff.io.rank import Rank
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.captioning.answers import Answer
from rediff_eval.captioning.caption_key import CaptionConfig
from rediff_eval.captioning.caption_store import StoredCaption
from rediff_eval.captioning.config import CaptioningConfig, Condition, conditions_of
from rediff_eval.captioning.outcome import Outcome
from rediff_eval.progress import Progress

SOON = 4.0
"""Seconds that a batch may take in each condition for the next to be of full size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRunner:
    """Captions samples with the models of a configuration, as one of several ranks.

    `prompt`, `tokens_per_step`: the task's. `ready`: checks once, before the first caption is
    made, that all servers can be asked; raises if not.
    """

    config: CaptioningConfig
    prompt: str
    tokens_per_step: tuple[int, ...]
    samples: Sequence[Sample]
    store: PartStore
    rank: Rank
    progress: Progress
    ready: Callable[[], None]

    def caption_all(self) -> list[Condition]:
        """Captions this rank's samples in all conditions; stored captions are not made again,
        and failed samples are tried once more. Raises as opening a model."""
        once: dict[ModelSource, list[ModelSource]] = {}
        for source in self.config.models:
            once.setdefault(replace(source, sampler=None), []).append(source)
        found: list[Condition] = []
        for number, sources in enumerate(once.values(), 1):
            found += self._run_model(sources, (number, len(once)))
        return list(dict.fromkeys(found))

    def wait(self, conditions: Sequence[Condition]) -> None:
        """Waits for the other ranks. Raises RuntimeError if none of them is at work any more."""
        keys = (_key(condition, s) for condition in conditions for s in self.samples)
        self.store.wait_for(keys, timeout=self.config.worker_timeout)

    def collect(self, condition: Condition) -> Outcome:
        """The answers of all samples, by all ranks."""
        lines = {sample.id: self.store.get(_key(condition, sample)) for sample in self.samples}
        answers = {i: Answer.from_record(line) for i, line in lines.items() if line is not None}
        assert len(answers) == len(self.samples)
        return Outcome.of(condition, self.samples, answers)

    def _run_model(self, sources: Sequence[ModelSource], part: tuple[int, int]) -> list[Condition]:
        """Captions by one model, which several sources name with samplers of their own. `part`:
        which of how many models it is, for the progress."""
        source = sources[0]
        loading = source.loading
        if loading.device is None and self.rank.world > 1 and loading.place == "cuda":
            device = f"cuda:{self.rank.local % torch.cuda.device_count()}"
            placed = replace(source, loading=replace(loading, device=device))
        else:
            placed = source
        source.identity  # noqa: B018 - cached here, before the model takes memory
        with SCHEMES.blaming(source.scheme), closing(placed.open()) as captioner:
            capabilities = captioner.capabilities
            found = [
                condition
                for one in sources
                for condition in conditions_of(self.config, one, capabilities, self.tokens_per_step)
            ]
            conditions = [
                replace(
                    condition,
                    key=CaptionConfig.of(
                        self.config, source, capabilities, self.prompt, condition
                    ).key(),
                )
                for condition in dict.fromkeys(found)
            ]
            self._run_conditions(conditions, captioner, part)
        return conditions

    def _run_conditions(
        self, conditions: Sequence[Condition], captioner: Captioner, part: tuple[int, int]
    ) -> None:
        """Captions batch by batch, each in all conditions, so that a captioner's encodings of
        a batch serves them all. Batches grow: the first is a single sample, so that something
        moves soon."""
        sampled = captioner.capabilities.takes_samplers
        traced = {s.id for s in self.samples[: self.config.keep_traces]} if sampled else set[str]()
        mine = [sample for sample in self.samples if self.rank.owns(sample.id)]
        todo = {c: {s.id for s in mine if not self._is_done(c, s, traced)} for c in conditions}
        left = [sample for sample in mine if any(sample.id in ids for ids in todo.values())]
        if left:
            self.ready()
        total = len(mine) * len(conditions)
        done = total - sum(map(len, todo.values()))
        with self.progress.task(_title(conditions, part), total, done=done, part=part) as advance:
            for group in growing(left, self.config.batch_size, sum(map(bool, todo.values()))):
                opened = list(self._open(group))
                for condition, ids in todo.items():
                    batch = [(sample, given) for sample, given in opened if sample.id in ids]
                    self._caption(condition, captioner, batch, traced)
                    advance(len(batch))

    def _open(self, batch: Sequence[Sample]) -> Iterator[tuple[Sample, CaptionRequest | Failure]]:
        for sample in batch:
            try:
                yield sample, request_of(sample, sample.open(), self.prompt)
            except (ValueError, OSError) as error:
                yield sample, Failure(str(error))

    def _caption(
        self,
        condition: Condition,
        captioner: Captioner,
        batch: Sequence[tuple[Sample, CaptionRequest | Failure]],
        traced: set[str],
    ) -> None:
        """Captions the pictures that could be opened, and stores a caption or failure of each
        sample."""
        sampled = captioner.capabilities.takes_samplers
        decoding = Decoding(
            sampler=find_sampler(condition.sampler) if sampled else None,
            steps=condition.steps,
            trace=sampled,
            guidance=self.config.guidance,
        )
        requests = [given for _, given in batch if isinstance(given, CaptionRequest)]
        with SAMPLERS.blaming(sampler_name(condition.sampler)):
            replies = iter(ask(captioner, requests, decoding) if requests else ())
        for sample, given in batch:
            answer = Answer.of(
                given if isinstance(given, Failure) else next(replies),
                sample.scene,
                sample.asked(self.prompt),
                keep_trace=sample.id in traced,
            )
            self.store.append(_key(condition, sample), answer.to_record())

    def _is_done(self, condition: Condition, sample: Sample, traced: set[str]) -> bool:
        mark = self.store.look(_key(condition, sample))
        wanted = sample.id in traced
        return mark is not None and not mark.failed and (mark.traced or not wanted)


def growing(samples: Sequence[Sample], most: int, conditions: int) -> Iterator[Sequence[Sample]]:
    """Batches of samples: one, then twice as many as before while a batch takes long, else at once
    as many as there may be.

    Args:
        samples: in their order.
        most: samples of a batch.
        conditions: in which a batch is captioned.
    """
    start, size, soon = 0, 1, SOON * conditions
    while start < len(samples):
        began = time.perf_counter()
        yield samples[start : start + size]
        start += size
        quick = time.perf_counter() - began < soon
        size = most if quick else min(most, 2 * size)


def _title(conditions: Sequence[Condition], part: tuple[int, int]) -> str:
    """The label of a model's work in the progress."""
    number, count = part
    first = conditions[0]
    place = f"model {number} of {count}, " if count > 1 else ""
    what = first.title if len(conditions) == 1 else f"{first.model}, {len(conditions)} conditions"
    return f"{place}{what}"


def request_of(sample: Sample, image: Image.Image, prompt: str) -> CaptionRequest:
    """The request to a captioner for a sample.

    Args:
        sample: with its own question, where it has one.
        image: its picture.
        prompt: the task's, for samples without a question.
    """
    return CaptionRequest(
        image=image,
        dialogue=sample.asked(prompt),
        id=sample.id,
        aliases=sample.aliases,
        original=sample.read,
    )


def ask(
    captioner: Captioner, requests: Sequence[CaptionRequest], decoding: Decoding
) -> list[Caption | Failure]:
    """The captioner's replies; a picture that it refuses fails alone, and not with its batch."""
    try:
        return captioner.caption(requests, decoding)
    except ValueError as error:
        if len(requests) == 1:
            return [Failure(str(error))]
    return [reply for request in requests for reply in ask(captioner, [request], decoding)]


def _key(condition: Condition, sample: Sample) -> StoredCaption:
    return StoredCaption(condition.key, sample.id, sample.digest)
