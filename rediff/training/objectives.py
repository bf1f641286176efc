"""Objectives: how an example becomes a training row, which is what the loss is computed on.

`MaskedPrediction` is LLaDA's, `FoundationalRevision` is Stage I and `SelfCorrection` Stage II of
ReDiff (arXiv 2510.19871, sections 3.1 and 3.2), `NextToken` trains the autoregressive baseline.
"""

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
    """One row of a batch: what the model sees (`corrupted`, of one row) and what it should predict
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

    `facts`: mask only words that state facts. `suffix_share`: see `mask_tokens`.
    """

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


@dataclass(frozen=True)
class FoundationalRevision:
    """Stage I: restore masks, random words and false facts, and keep what is right.

    An example with a pair (ViCrit) shows the pair's false facts at every visible position of them.
    In other examples `facts` draws false facts with probability `hallucination_rate`. There are
    none if that rate is 0, or if an example has no pair and `facts` is None.

    `words` int64 [W]: the ids that random words are drawn from. `tied`: multiply both rates by the
    mask level of the row, so that a text with fewer visible words is more broken (an ablation of
    the paper's table 6). `levels`, `suffix_share`: as in mask-prediction.
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
    """Stage II: a draft of the model as input, the expert's correction of it as target.

    Wrong segments are `EDIT`, all else is `KEEP`; segments without a known correction have no
    loss. The first `stage1_share` of a global batch is Stage I data from the same pictures, and so
    is every example without a draft. A share `masked_share` of the drafts is also masked, at a
    random level.
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
    """A draft as a decoder sees it: visible up to its first eos token, masked after it.

    The role of a position is `EDIT` where the correction differs, `KEEP` where it agrees, and
    `MASK` after the eos token of the draft. Where the correction has ended but the draft has words,
    it is `IGNORED`, because a decoder cuts these words off.

    Args:
        draft: int64 [B, R], padded with eos tokens.
        target: the correction, int64 [B, R], position by position.
        mask_id: id of the mask token.
        eos_id: id of the eos token.

    Examples:
        >>> draft, target = torch.tensor([[5, 6, 1, 1]]), torch.tensor([[5, 7, 1, 1]])
        >>> seen = draft_as_input(draft, target, mask_id=9, eos_id=1)
        >>> seen.tokens.tolist(), [TokenRole(k).name for k in seen.role[0].tolist()]
        ([[5, 6, 1, 9]], ['KEEP', 'EDIT', 'KEEP', 'MASK'])
    """
    hidden = after_eos(draft, eos_id)
    role = torch.where(draft == target, TokenRole.KEEP, TokenRole.EDIT)
    role = torch.where(hidden, TokenRole.MASK, role)
    role = torch.where(after_eos(target, eos_id) & ~hidden, TokenRole.IGNORED, role)
    return Corrupted(torch.where(hidden, mask_id, draft), role, torch.ones(len(draft)))


def pick_answer(example: Example) -> Answer:
    """One of the answers of an example, drawn at random."""
    return example.answers[int(torch.randint(len(example.answers), ()))]
