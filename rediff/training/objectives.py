"""Objectives: how an example becomes a row that the trainer can take a loss of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from rediff.decoding.canvas import SpecialIds
from rediff.models.pictures import Pictures
from rediff.training.corruption import (
    Corrupted,
    Kind,
    behind_stop,
    inject_errors,
    mask_tokens,
    stratified_level,
)
from rediff.training.examples import Answer, Example, Revision
from rediff.training.facts import FactTable
from rediff.training.data_order import Place


@dataclass(frozen=True, slots=True)
class Trained:
    """A row as it is trained: what the model sees, what it should say, and why.

    `target` int64 [1, R]; `corrupted` of one row.
    """

    picture: Pictures
    prompt: tuple[int, ...]
    target: Tensor
    corrupted: Corrupted


class Objective(Protocol):
    """Draws from torch's global generator, which is seeded for each row."""

    def __call__(self, example: Example, place: Place) -> Trained: ...


@dataclass(frozen=True)
class Levels:
    """Mask levels of a batch: lowest + (highest - lowest) * u ** power, u stratified in (0, 1]."""

    lowest: float = 0.0
    highest: float = 1.0
    power: float = 1.0

    def __call__(self, place: Place) -> Tensor:
        u = stratified_level(place.stratum, place.rows, power=self.power)
        return self.lowest + (self.highest - self.lowest) * u


@dataclass(frozen=True)
class Predict:
    """Mask-prediction; with `facts`, only words that state facts are masked."""

    ids: SpecialIds
    levels: Levels
    facts: FactTable | None = None
    suffix_share: float = 0.0

    def __call__(self, example: Example, place: Place) -> Trained:
        answer = pick_answer(example)
        target = answer.response[None]
        corrupted = mask_tokens(
            target,
            self.levels(place),
            self.ids.mask,
            self.ids.stop,
            maskable=None if self.facts is None else self.facts.is_fact[target],
            suffix_share=self.suffix_share,
        )
        return Trained(example.picture, answer.prompt, target, corrupted)


@dataclass(frozen=True)
class NextToken:
    """Next-token prediction of the response and its stop token, for a causal model."""

    ids: SpecialIds
    facts: FactTable | None = None

    def __call__(self, example: Example, place: Place) -> Trained:
        answer = pick_answer(example)
        target = answer.response[None]
        trained = ~behind_stop(target, self.ids.stop)
        if self.facts is not None:
            trained &= self.facts.is_fact[target]
        kind = torch.where(trained, Kind.MASK, Kind.IGNORED)
        return Trained(
            example.picture, answer.prompt, target, Corrupted(target, kind, torch.ones(1))
        )


@dataclass(frozen=True)
class Revise:
    """Stage I: masks, random tokens, false facts, and what is right.

    The false facts of an example's pair stand in every visible place of it; in other examples
    `facts` draws them with probability `hallucination_rate`. There are none where that is 0, nor
    without a pair where `facts` is None.
    `tied`: both rates are multiplied by the row's mask level, so that a text is the more broken
    the less of it is there. `words` int64: the ids that random tokens are drawn from.
    """

    ids: SpecialIds
    words: Tensor
    facts: FactTable | None
    levels: Levels
    syntax_rate: float
    hallucination_rate: float
    suffix_share: float = 0.0
    tied: bool = False

    def __call__(self, example: Example, place: Place) -> Trained:
        ids, pair = self.ids, example.pair
        answer = pick_answer(example) if pair is None else Answer(pair.prompt, pair.right)
        target = answer.response[None]
        level = self.levels(place)
        clean = mask_tokens(target, level, ids.mask, ids.stop, suffix_share=self.suffix_share)
        scale = level.item() if self.tied else 1.0
        corrupted = inject_errors(
            clean,
            target,
            self._swaps(target, pair),
            syntax_rate=self.syntax_rate * scale,
            hallucination_rate=(self.hallucination_rate if pair is None else 1.0) * scale,
            words=self.words,
        )
        return Trained(example.picture, answer.prompt, target, corrupted)

    def _swaps(self, target: Tensor, pair: Revision | None) -> Tensor:
        if not self.hallucination_rate:
            return target
        if pair is not None:
            return pair.wrong[None]
        return target if self.facts is None else self.facts.swaps(target)


@dataclass(frozen=True)
class Correct:
    """Stage II: the model's own drafts towards an expert's corrections, among Stage I data.

    The first `stage1_share` of a global batch is Stage I data made from the same pictures, as is
    every example without a draft; of the drafts, a share `masked_share` is also masked at a random
    level.
    """

    ids: SpecialIds
    stage1: Revise
    stage1_share: float
    masked_share: float

    def __call__(self, example: Example, place: Place) -> Trained:
        if example.draft is None or place.position < round(place.rows * self.stage1_share):
            return self.stage1(example, place)
        ids, draft = self.ids, example.draft
        target = draft.right[None]
        clean = show_draft(draft.wrong[None], target, ids.mask, ids.stop)
        if draft.unsure is not None:
            clean = replace(clean, kind=clean.kind.masked_fill(draft.unsure[None], Kind.IGNORED))
        level = self.stage1.levels(place) * (torch.rand(1) < self.masked_share)
        hide = (torch.rand(target.shape) < level) & (clean.kind != Kind.IGNORED)
        corrupted = Corrupted(
            torch.where(hide, ids.mask, clean.tokens),
            torch.where(hide, Kind.MASK, clean.kind),
            clean.level,
        )
        return Trained(example.picture, draft.prompt, target, corrupted)


def show_draft(draft: Tensor, target: Tensor, mask_id: int, stop_id: int) -> Corrupted:
    """A draft as a decoder sees it, with the kinds of its positions by its correction.

    Visible up to its first stop, masked behind it. `EDIT` where the correction differs, `KEEP`
    where it agrees, `MASK` behind the draft's stop; what lies behind the correction's stop is
    `IGNORED` where the draft still has words, since it is cut away.
    """
    hidden = behind_stop(draft, stop_id)
    kind = torch.where(draft == target, Kind.KEEP, Kind.EDIT)
    kind = torch.where(hidden, Kind.MASK, kind)
    kind = torch.where(behind_stop(target, stop_id) & ~hidden, Kind.IGNORED, kind)
    return Corrupted(torch.where(hidden, mask_id, draft), kind, torch.ones(len(draft)))


def pick_answer(example: Example) -> Answer:
    """One random answer of an example."""
    return example.answers[int(torch.randint(len(example.answers), ()))]
