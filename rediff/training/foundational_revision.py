"""Stage I, foundational revision (arXiv 2510.19871, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rediff.decoding.canvas import SpecialIds
from rediff.training.corruption import (
    inject_errors,
    mask_tokens,
)
from rediff.training.data_order import BatchPosition
from rediff.training.examples import Answer, Example, Revision
from rediff.training.facts import FactVocabulary
from rediff.training.objectives import MaskRatio, TrainingRow, pick_answer


@dataclass(frozen=True)
class FoundationalRevision:
    """Stage I: restore masks, random words and false facts, and keep the right words.

    An example with a pair (ViCrit) shows the pair's false facts at all of their visible positions
    (with `tied`, at a share t of them), but for those that take a random word.
    In other examples `facts` draws false facts with probability `hallucination_rate`. There are
    none if that rate is 0, or if an example has no pair and `facts` is None.

    `words` int64 [W]: the ids that random words are drawn from. `tied`: multiply all rates by the
    mask level of the row, so that a text with fewer visible words is more broken (an ablation of
    the paper's table 6). `levels`, `suffix_share`: as in mask-prediction. `repetition_rate`: of
    sentences that repeat an earlier one, see `FactVocabulary.repeated_tokens`; their false facts
    are there besides. `self_drafts`: in place of random words the model writes its own, see
    `SelfDrafts`. Raises ValueError for a `repetition_rate` without `facts` that know where
    sentences end.
    """

    ids: SpecialIds
    words: Tensor
    facts: FactVocabulary | None
    levels: MaskRatio
    syntax_rate: float
    hallucination_rate: float
    suffix_share: float = 0.0
    tied: bool = False
    repetition_rate: float = 0.0
    self_drafts: bool = False

    def __post_init__(self) -> None:
        if self.repetition_rate and (self.facts is None or not self.facts.stops):
            raise ValueError(
                "'repetition_rate' takes data that say which words state facts and end sentences"
            )

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
            repeated_tokens=self._repeated_tokens(target, scale),
        )
        if self.self_drafts:
            corrupted = replace(corrupted, draws=torch.rand(target.shape))
        return TrainingRow(example.picture, answer.prompt, target, corrupted)

    def _hallucinated_tokens(self, target: Tensor, pair: Revision | None) -> Tensor:
        if not self.hallucination_rate:
            return target
        if pair is not None:
            return pair.wrong[None]
        return target if self.facts is None else self.facts.hallucinated_tokens(target)

    def _repeated_tokens(self, target: Tensor, scale: float) -> Tensor | None:
        if self.facts is None or not self.repetition_rate:
            return None
        return self.facts.repeated_tokens(target, self.repetition_rate * scale)
