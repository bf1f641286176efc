"""What is done to a true response before the model sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor


class TokenRole(IntEnum):
    """Why a position is trained; the loss is a mean per role."""

    IGNORED = 0
    MASK = 1
    SYNTAX = 2
    HALLUCINATION = 3
    CLEAN = 4
    EDIT = 5
    KEEP = 6


@dataclass(frozen=True, slots=True)
class Corrupted:
    """A batch of corrupted responses.

    `tokens` int64 [B, R]: what the model sees. `role` int64 [B, R]: a `TokenRole` for each
    position. `level` float32 [B]: the probability with which each row was masked. `certain` bool
    [B, R]: positions that were masked whatever it is, None for none.
    """

    tokens: Tensor
    role: Tensor
    level: Tensor
    certain: Tensor | None = None


def stratified_level(stratum: int, rows: int, *, power: float = 1.0) -> Tensor:
    """A mask level t in (0, 1], float32 [1], from one of `rows` equal strata.

    t = u ** power: a power below 1 favours high levels, where decoding begins. Stratification
    keeps the mean level of every batch the same, which lowers the variance of the loss (MDLM).
    """
    return ((stratum + torch.rand(1)) / rows).pow(power).clamp(min=1e-3)


def mask_tokens(
    target: Tensor,
    level: Tensor,
    mask_id: int,
    eos_id: int,
    *,
    maskable: Tensor | None = None,
    suffix_share: float = 0.0,
) -> Corrupted:
    """Masks each position with its row's probability `level` [B]; only masks are trained.

    `target` [B, R] is a response, its stop token, and stop tokens up to the canvas's end. The
    stop token itself is masked like any word. What lies behind it is always masked, since a
    decoder never writes there, and is trained to say "stop", so that a decoder can tell. With
    `maskable` bool [B, R], only positions set there are masked and trained.

    Of a share `suffix_share` of the rows everything from a random position on is masked as well.
    A decoder leaves the right end open for long; were a masked right end only ever seen where the
    response is over, the model would learn to stop wherever it sees one.
    """
    behind = after_eos(target, eos_id)
    drawn = (torch.rand(target.shape) < level[:, None]) & ~behind
    if maskable is None:
        if suffix_share:
            drawn |= _suffixes(target, suffix_share) & ~behind
        drawn[:, 0] |= ~drawn.any(dim=1)
        trained = drawn | behind
    else:
        drawn &= maskable
        trained = drawn
    role = torch.where(trained, TokenRole.MASK, TokenRole.IGNORED)
    return Corrupted(torch.where(drawn | behind, mask_id, target), role, level, behind)


def _suffixes(target: Tensor, share: float) -> Tensor:
    rows, length = target.shape
    start = torch.where(torch.rand(rows) < share, torch.randint(length, (rows,)), length)
    return torch.arange(length) >= start[:, None]


def after_eos(target: Tensor, eos_id: int) -> Tensor:
    """Positions behind each row's first stop token; bool [B, R]."""
    return (target == eos_id).long().cumsum(dim=1) > 1


def inject_errors(
    clean: Corrupted,
    target: Tensor,
    hallucinated_tokens: Tensor,
    *,
    syntax_rate: float,
    hallucination_rate: float,
    words: Tensor,
) -> Corrupted:
    """Stage I: wrong visible tokens beside the masks (arXiv 2510.19871, section 3.1).

    Of the visible positions, a share `syntax_rate` [0..1] takes a random id of `words`; of those
    left, a share `hallucination_rate` of the positions that state a fact takes a wrong one.
    `hallucinated_tokens` [B, R] holds that wrong fact for each position, or the target where there
    is none. All other visible positions are trained too, as `CLEAN`: to keep what is right.
    """
    visible = clean.role == TokenRole.IGNORED
    noise = words[torch.randint(len(words), target.shape)]
    broken = visible & (torch.rand(target.shape) < syntax_rate) & (noise != target)
    false = (
        visible
        & ~broken
        & (torch.rand(target.shape) < hallucination_rate)
        & (hallucinated_tokens != target)
    )
    tokens = torch.where(broken, noise, torch.where(false, hallucinated_tokens, clean.tokens))
    role = torch.where(visible, TokenRole.CLEAN, clean.role)
    role = torch.where(broken, TokenRole.SYNTAX, torch.where(false, TokenRole.HALLUCINATION, role))
    return Corrupted(tokens, role, clean.level, clean.certain)
