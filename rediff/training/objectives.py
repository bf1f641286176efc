"""Objectives: how a list of examples becomes a batch that the trainer can take a loss of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from rediff.models.checkpoint import Checkpoint
from rediff.training.corruption import (
    Corrupted,
    Kind,
    behind_stop,
    inject_errors,
    mask_tokens,
    stratified_levels,
)
from rediff.training.examples import Example, FactTable, collate_inputs

Batch = dict[str, Any]
"""Model inputs, and `target`, `kind` int64 [B, R], `level` float32 [B] for the loss."""


class Objective(Protocol):
    """A collate function of the Trainer. Draws from torch's global generator."""

    def __call__(self, examples: Sequence[Example]) -> Batch: ...


@dataclass(frozen=True)
class Levels:
    """Mask levels of a batch: lowest + (highest - lowest) * u ** power, u stratified in (0, 1]."""

    lowest: float = 0.0
    highest: float = 1.0
    power: float = 1.0

    def __call__(self, rows: int) -> Tensor:
        u = stratified_levels(rows, power=self.power)
        return self.lowest + (self.highest - self.lowest) * u


@dataclass(frozen=True)
class Predict:
    """Mask-prediction; with `facts`, only words that state facts are masked."""

    checkpoint: Checkpoint
    levels: Levels
    facts: FactTable | None = None
    suffix_share: float = 0.0

    def __call__(self, examples: Sequence[Example]) -> Batch:
        target = pick_responses(examples)
        ids = self.checkpoint.ids
        maskable = None if self.facts is None else self.facts.is_fact[target]
        corrupted = mask_tokens(
            target,
            self.levels(len(target)),
            ids.mask,
            ids.stop,
            maskable=maskable,
            suffix_share=self.suffix_share,
        )
        return batch(self.checkpoint, examples, target, corrupted)


@dataclass(frozen=True)
class NextToken:
    """Next-token prediction of the response and its stop token, for a causal model."""

    checkpoint: Checkpoint
    facts: FactTable | None = None

    def __call__(self, examples: Sequence[Example]) -> Batch:
        target = pick_responses(examples)
        trained = ~behind_stop(target, self.checkpoint.ids.stop)
        if self.facts is not None:
            trained &= self.facts.is_fact[target]
        kind = torch.where(trained, Kind.MASK, Kind.IGNORED)
        return batch(
            self.checkpoint, examples, target, Corrupted(target, kind, torch.ones(len(target)))
        )


@dataclass(frozen=True)
class Revise:
    """Stage I: masks, random tokens, false facts, and what is right."""

    checkpoint: Checkpoint
    facts: FactTable
    levels: Levels
    syntax_rate: float
    hallucination_rate: float
    suffix_share: float = 0.0

    def __call__(self, examples: Sequence[Example]) -> Batch:
        target = pick_responses(examples)
        return batch(self.checkpoint, examples, target, self.corrupt(target))

    def corrupt(self, target: Tensor) -> Corrupted:
        ids = self.checkpoint.ids
        return inject_errors(
            mask_tokens(
                target, self.levels(len(target)), ids.mask, ids.stop, suffix_share=self.suffix_share
            ),
            target,
            self.facts.swaps(target),
            syntax_rate=self.syntax_rate,
            hallucination_rate=self.hallucination_rate,
            words=torch.tensor(self.checkpoint.word_ids),
        )


@dataclass(frozen=True)
class Correct:
    """Stage II: the model's own drafts towards an expert's corrections, among Stage I data.

    The first `stage1_share` of a batch is Stage I data made from the same pictures; of the
    drafts, a share `masked_share` is also masked at a random level.
    """

    checkpoint: Checkpoint
    stage1: Revise
    stage1_share: float
    masked_share: float

    def __call__(self, examples: Sequence[Example]) -> Batch:
        foundational = round(len(examples) * self.stage1_share)
        first, rest = examples[:foundational], examples[foundational:]
        parts = []
        if first:
            truth = pick_responses(first)
            parts.append((truth, self.stage1.corrupt(truth)))
        if rest:
            parts.append(self._corrections(rest))
        target = torch.cat([target for target, _ in parts])
        corrupted = Corrupted(
            *(
                torch.cat([getattr(part, name) for _, part in parts])
                for name in ("tokens", "kind", "level")
            )
        )
        return batch(self.checkpoint, examples, target, corrupted)

    def _corrections(self, examples: Sequence[Example]) -> tuple[Tensor, Corrupted]:
        assert all(e.draft is not None and e.target is not None for e in examples)
        draft = torch.stack([e.draft for e in examples if e.draft is not None])
        target = torch.stack([e.target for e in examples if e.target is not None])
        clean = show_draft(draft, target, self.checkpoint.ids.mask, self.checkpoint.ids.stop)
        level = self.stage1.levels(len(draft)) * (torch.rand(len(draft)) < self.masked_share)
        hide = (torch.rand(draft.shape) < level[:, None]) & (clean.kind != Kind.IGNORED)
        tokens = torch.where(hide, self.checkpoint.ids.mask, clean.tokens)
        kind = torch.where(hide, Kind.MASK, clean.kind)
        return target, replace(clean, tokens=tokens, kind=kind)


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


def pick_responses(examples: Sequence[Example]) -> Tensor:
    """One random response of each example, int64 [B, R]."""
    return torch.stack([e.responses[int(torch.randint(len(e.responses), ()))] for e in examples])


def batch(
    checkpoint: Checkpoint, examples: Sequence[Example], target: Tensor, corrupted: Corrupted
) -> Batch:
    pictures = [example.picture for example in examples]
    return collate_inputs(pictures, corrupted.tokens, checkpoint.prompt_ids()) | {
        "target": target,
        "kind": corrupted.kind,
        "level": corrupted.level,
    }
