"""Objectives: how an example becomes a row that the trainer can take a loss of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from rediff.decoding.canvas import SpecialIds
from rediff.models.anyres import ImageBatch
from rediff.training.corruption import (
    Corrupted,
    TokenRole,
    after_eos,
    inject_errors,
    mask_tokens,
    stratified_level,
)
from rediff.training.data_order import BatchPosition
from rediff.training.examples import Answer, Example, Revision
from rediff.training.facts import FactVocabulary


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A row as it is trained: what the model sees, what it should say, and why.

    `target` int64 [1, R]; `corrupted` of one row.
    """

    picture: ImageBatch
    prompt: tuple[int, ...]
    target: Tensor
    corrupted: Corrupted


class Objective(Protocol):
    """Draws from torch's global generator, which is seeded for each row."""

    def __call__(self, example: Example, place: BatchPosition) -> TrainingRow: ...


@dataclass(frozen=True)
class MaskRatio:
    """Mask levels of a batch: lowest + (highest - lowest) * u ** power, u stratified in (0, 1]."""

    lowest: float = 0.0
    highest: float = 1.0
    power: float = 1.0

    def __call__(self, place: BatchPosition) -> Tensor:
        u = stratified_level(place.stratum, place.rows, power=self.power)
        return self.lowest + (self.highest - self.lowest) * u


@dataclass(frozen=True)
class MaskedPrediction:
    """Mask-prediction; with `facts`, only words that state facts are masked."""

    ids: SpecialIds
    levels: MaskRatio
    facts: FactVocabulary | None = None
    suffix_share: float = 0.0

    def __call__(self, example: Example, place: BatchPosition) -> TrainingRow:
        answer = pick_answer(example)
        target = answer.response[None]
        corrupted = mask_tokens(
            target,
            self.levels(place),
            self.ids.mask,
            self.ids.eos,
            maskable=None if self.facts is None else self.facts.is_fact[target],
            suffix_share=self.suffix_share,
        )
        return TrainingRow(example.picture, answer.prompt, target, corrupted)


@dataclass(frozen=True)
class NextToken:
    """Next-token prediction of the response and its stop token, for a causal model."""

    ids: SpecialIds
    facts: FactVocabulary | None = None

    def __call__(self, example: Example, place: BatchPosition) -> TrainingRow:
        answer = pick_answer(example)
        target = answer.response[None]
        trained = ~after_eos(target, self.ids.eos)
        if self.facts is not None:
            trained &= self.facts.is_fact[target]
        role = torch.where(trained, TokenRole.MASK, TokenRole.IGNORED)
        return TrainingRow(
            example.picture, answer.prompt, target, Corrupted(target, role, torch.ones(1))
        )


@dataclass(frozen=True)
class FoundationalRevision:
    """Stage I: masks, random tokens, false facts, and what is right.

    The false facts of an example's pair stand in every visible place of it; in other examples
    `facts` draws them with probability `hallucination_rate`. There are none where that is 0, nor
    without a pair where `facts` is None.
    `tied`: both rates are multiplied by the row's mask level, so that a text is the more broken
    the less of it is there. `words` int64: the ids that random tokens are drawn from.
    """

    ids: SpecialIds
    words: Tensor
    facts: FactVocabulary | None
    levels: MaskRatio
    syntax_rate: float
    hallucination_rate: float
    suffix_share: float = 0.0
    tied: bool = False

    def __call__(self, example: Example, place: BatchPosition) -> TrainingRow:
        ids, pair = self.ids, example.pair
        answer = pick_answer(example) if pair is None else Answer(pair.prompt, pair.right)
        target = answer.response[None]
        level = self.levels(place)
        clean = mask_tokens(target, level, ids.mask, ids.eos, suffix_share=self.suffix_share)
        scale = level.item() if self.tied else 1.0
        corrupted = inject_errors(
            clean,
            target,
            self._hallucinated_tokens(target, pair),
            syntax_rate=self.syntax_rate * scale,
            hallucination_rate=(self.hallucination_rate if pair is None else 1.0) * scale,
            words=self.words,
        )
        return TrainingRow(example.picture, answer.prompt, target, corrupted)

    def _hallucinated_tokens(self, target: Tensor, pair: Revision | None) -> Tensor:
        if not self.hallucination_rate:
            return target
        if pair is not None:
            return pair.wrong[None]
        return target if self.facts is None else self.facts.hallucinated_tokens(target)


@dataclass(frozen=True)
class SelfCorrection:
    """Stage II: the model's own drafts towards an expert's corrections, among Stage I data.

    The first `stage1_share` of a global batch is Stage I data made from the same pictures, as is
    every example without a draft; of the drafts, a share `masked_share` is also masked at a random
    level.
    """

    ids: SpecialIds
    stage1: FoundationalRevision
    stage1_share: float
    masked_share: float

    def __call__(self, example: Example, place: BatchPosition) -> TrainingRow:
        if example.draft is None or place.position < round(place.rows * self.stage1_share):
            return self.stage1(example, place)
        ids, draft = self.ids, example.draft
        target = draft.right[None]
        clean = draft_as_input(draft.wrong[None], target, ids.mask, ids.eos)
        if draft.unsure is not None:
            clean = replace(
                clean, role=clean.role.masked_fill(draft.unsure[None], TokenRole.IGNORED)
            )
        level = self.stage1.levels(place) * (torch.rand(1) < self.masked_share)
        hide = (torch.rand(target.shape) < level) & (clean.role != TokenRole.IGNORED)
        corrupted = Corrupted(
            torch.where(hide, ids.mask, clean.tokens),
            torch.where(hide, TokenRole.MASK, clean.role),
            clean.level,
        )
        return TrainingRow(example.picture, draft.prompt, target, corrupted)


def draft_as_input(draft: Tensor, target: Tensor, mask_id: int, eos_id: int) -> Corrupted:
    """A draft as a decoder sees it, with the roles of its positions by its correction.

    Visible up to its first stop, masked behind it. `EDIT` where the correction differs, `KEEP`
    where it agrees, `MASK` behind the draft's stop; what lies behind the correction's stop is
    `IGNORED` where the draft still has words, since it is cut away.
    """
    hidden = after_eos(draft, eos_id)
    role = torch.where(draft == target, TokenRole.KEEP, TokenRole.EDIT)
    role = torch.where(hidden, TokenRole.MASK, role)
    role = torch.where(after_eos(target, eos_id) & ~hidden, TokenRole.IGNORED, role)
    return Corrupted(torch.where(hidden, mask_id, draft), role, torch.ones(len(draft)))


def pick_answer(example: Example) -> Answer:
    """One random answer of an example."""
    return example.answers[int(torch.randint(len(example.answers), ()))]
