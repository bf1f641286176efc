"""Objectives: how an example becomes a training row, on which the loss is computed.

`MaskedPrediction` is LLaDA's, `NextToken` trains the autoregressive baseline. The objectives of
ReDiff are in `foundational_revision.py` (Stage I) and `self_correction.py` (Stage II).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rediff.decoding.canvas import SpecialIds
from rediff.models.anyres import ImageBatch
from rediff.training.corruption import (
    Corrupted,
    TokenRole,
    after_eos,
    mask_tokens,
    stratified_level,
)
from rediff.training.data_order import BatchPosition
from rediff.training.examples import Answer, Example
from rediff.training.facts import FactVocabulary


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One row of a batch: the model's input (`corrupted`, of one row) and the prediction to learn
    (`target`, int64 [1, R]), with the picture and the prompt's token ids."""

    picture: ImageBatch
    prompt: tuple[int, ...]
    target: Tensor
    corrupted: Corrupted


class Objective(Protocol):
    """Makes training rows."""

    def __call__(self, example: Example, place: BatchPosition) -> TrainingRow:
        """The row of an example at its place in the global batch.

        Draws from torch's global generator, which the caller seeds for each row.
        """
        ...


@dataclass(frozen=True)
class MaskRatio:
    """A row's mask level t = lowest + (highest - lowest) * u ** power, u stratified in (0, 1].

    The published choice, t ~ U(0, 1), is the default.
    """

    lowest: float = 0.0
    highest: float = 1.0
    power: float = 1.0

    def __call__(self, place: BatchPosition) -> Tensor:
        u = stratified_level(place.stratum, place.rows, power=self.power)
        return self.lowest + (self.highest - self.lowest) * u


@dataclass(frozen=True)
class MaskedPrediction:
    """Mask-prediction: -log p(y_i) at masked positions (arXiv 2502.09992).

    `facts`: in a share `facts_share` of the rows mask only words that state facts. `suffix_share`:
    see `mask_tokens`.
    """

    ids: SpecialIds
    levels: MaskRatio
    facts: FactVocabulary | None = None
    facts_share: float = 1.0
    suffix_share: float = 0.0

    def __call__(self, example: Example, place: BatchPosition) -> TrainingRow:
        answer = pick_answer(example)
        target = answer.response[None]
        facts = self.facts
        if facts is not None and self.facts_share < 1 and torch.rand(()) >= self.facts_share:
            facts = None
        corrupted = mask_tokens(
            target,
            self.levels(place),
            self.ids.mask,
            self.ids.eos,
            maskable=None if facts is None else facts.is_fact[target],
            suffix_share=self.suffix_share,
        )
        return TrainingRow(example.picture, answer.prompt, target, corrupted)


@dataclass(frozen=True)
class NextToken:
    """Next-token prediction of the response and its eos token, for a causal model.

    `facts`: train only words that state facts.
    """

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


def pick_answer(example: Example) -> Answer:
    """One of the answers of an example, drawn at random."""
    return example.answers[int(torch.randint(len(example.answers), ()))]
