"""Stage II, online self-correction (arXiv 2510.19871, section 3.2): drafts and their corrections
as training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rediff.decoding.canvas import SpecialIds
from rediff.training.corruption import (
    Corrupted,
    TokenRole,
    after_eos,
)
from rediff.training.data_order import BatchPosition
from rediff.training.examples import Example
from rediff.training.foundational_revision import FoundationalRevision
from rediff.training.objectives import TrainingRow


@dataclass(frozen=True)
class SelfCorrection:
    """Stage II: a draft of the model as input, the expert's correction of it as target.

    Wrong segments are `EDIT`, right words `KEEP`, and positions after the draft's eos token
    `MASK` (see `draft_as_input`); segments without a known correction have no loss. The first
    `stage1_share` of a global batch is Stage I data from the same pictures, and so is every
    example without a draft. A share `masked_share` of the drafts is also masked, at a random
    level; `trust_masks`: whether masks of a draft, and positions after its end, have a loss. An
    expert that mends only the errors it finds leaves a draft's other errors, which should not be
    learnt as answers.
    """

    ids: SpecialIds
    stage1: FoundationalRevision
    stage1_share: float
    masked_share: float
    trust_masks: bool = True

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
        role = torch.where(hide, TokenRole.MASK, clean.role)
        if not self.trust_masks:
            role = role.masked_fill(role == TokenRole.MASK, TokenRole.IGNORED)
        corrupted = Corrupted(torch.where(hide, ids.mask, clean.tokens), role, clean.level)
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
