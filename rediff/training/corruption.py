"""The corruption of a true response before the model sees it: masks, and Stage I's errors.

With t the mask level of a row, each position of the response is masked with probability t. Stage I
then breaks the rest: of the visible positions a share s ("syntax") takes a random word, and of
those left that state a fact a share h ("hallucination") takes a false one (section 3.1 of
arXiv 2510.19871). Beyond the paper, whole sentences may tell again what another one tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor


class TokenRole(IntEnum):
    """Why a position is trained; the loss has a mean for each role.

    MASK: its token is hidden. SYNTAX, HALLUCINATION: a wrong token is visible, to be replaced.
    CLEAN: the right token is visible, to be kept. EDIT, KEEP: the same two in a draft of the
    model, by the expert's correction. IGNORED: no loss.
    """

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

    `tokens` int64 [B, R]: the model's input. `role` int64 [B, R]: a `TokenRole` for each
    position. `level` float32 [B]: t, the probability with which each row was masked. `certain`
    bool [B, R]: positions that are masked at every level, None for none. `draws` float32 [B, R]:
    uniform random numbers for `SelfDrafts`, None for none.
    """

    tokens: Tensor
    role: Tensor
    level: Tensor
    certain: Tensor | None = None
    draws: Tensor | None = None


def stratified_level(stratum: int, rows: int, *, power: float = 1.0) -> Tensor:
    """A mask level t in (0, 1], drawn from one of equal strata.

    t = ((stratum + u) / rows) ** power, u ~ U(0, 1). Stratification keeps the mean level of every
    batch the same, which lowers the variance of the loss (MDLM, arXiv 2406.07524, appendix).

    Args:
        stratum: from 0 to `rows` - 1.
        rows: number of strata, the rows of a global batch.
        power: below 1 favours high levels, where decoding begins.

    Returns:
        float32 [1].
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
    """Masks each position with probability t; only masks are trained (LLaDA, arXiv 2502.09992).

    The eos token is masked like any word. Positions after it are always masked, because a decoder
    never writes there, and are trained to predict eos, so that a decoder can tell where a response
    ends.

    Args:
        target: a response, its eos token, and eos tokens up to the end; int64 [B, R].
        level: t of each row, float [B].
        mask_id: id of the mask token.
        eos_id: id of the eos token.
        maskable: mask and train only these positions, bool [B, R]. Without it, at least one
            position of each row is masked.
        suffix_share: in this share of the rows everything from a random position on is masked as
            well. A decoder leaves the right end open for long; if training showed a masked right
            end only where the response is over, the model would learn to stop at every one.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> target = torch.tensor([[5, 6, 7, 1, 1, 1]])
        >>> mask_tokens(target, torch.tensor([0.5]), mask_id=9, eos_id=1).tokens.tolist()
        [[9, 6, 9, 9, 9, 9]]
    """
    after = after_eos(target, eos_id)
    drawn = (torch.rand(target.shape) < level[:, None]) & ~after
    if maskable is None:
        if suffix_share:
            drawn |= _suffixes(target, suffix_share) & ~after
        drawn[:, 0] |= ~drawn.any(dim=1)
        trained = drawn | after
    else:
        drawn &= maskable
        trained = drawn
    role = torch.where(trained, TokenRole.MASK, TokenRole.IGNORED)
    return Corrupted(torch.where(drawn | after, mask_id, target), role, level, after)


def _suffixes(target: Tensor, share: float) -> Tensor:
    rows, length = target.shape
    start = torch.where(torch.rand(rows) < share, torch.randint(length, (rows,)), length)
    return torch.arange(length) >= start[:, None]


def after_eos(target: Tensor, eos_id: int) -> Tensor:
    """Positions after each row's first eos token.

    Args:
        target: token ids [B, R].
        eos_id: ends a response.

    Returns:
        Bool [B, R].

    Examples:
        >>> after_eos(torch.tensor([[5, 1, 1]]), eos_id=1).tolist()
        [[False, False, True]]
    """
    return (target == eos_id).long().cumsum(dim=1) > 1


def inject_errors(
    clean: Corrupted,
    target: Tensor,
    hallucinated_tokens: Tensor,
    *,
    syntax_rate: float,
    hallucination_rate: float,
    words: Tensor,
    repeated_tokens: Tensor | None = None,
) -> Corrupted:
    """Stage I: wrong visible tokens beside the masks (arXiv 2510.19871, section 3.1).

    A visible position takes a random word with probability s; one that is left and states a fact
    takes a false one with probability h. All other visible positions are trained too, as `CLEAN`.

    Args:
        clean: the response with masks only.
        target: the right tokens, int64 [B, R].
        hallucinated_tokens: the false fact for each position, int64 [B, R]; the target itself
            where a position states no fact.
        syntax_rate: s, from 0 to 1.
        hallucination_rate: h, from 0 to 1.
        words: the ids that random words are drawn from, int64 [W].
        repeated_tokens: the responses with sentences that repeat another one, int64 [B, R]; where
            they differ from the target they are taken with certainty. None for none.

    Examples:
        >>> target = torch.tensor([[5, 6, 7, 1]])
        >>> clean = mask_tokens(target, torch.tensor([0.0]), mask_id=9, eos_id=1)
        >>> false = torch.tensor([[5, 8, 7, 1]])
        >>> words = torch.tensor([3])
        >>> broken = inject_errors(
        ...     clean, target, false, syntax_rate=0.0, hallucination_rate=1.0, words=words
        ... )
        >>> broken.tokens.tolist(), [TokenRole(k).name for k in broken.role[0].tolist()]
        ([[9, 8, 7, 1]], ['MASK', 'HALLUCINATION', 'CLEAN', 'CLEAN'])
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
    if repeated_tokens is not None:
        repeats = visible & ~broken & (repeated_tokens != target)
        false = false | repeats
        hallucinated_tokens = torch.where(repeats, repeated_tokens, hallucinated_tokens)
    tokens = torch.where(broken, noise, torch.where(false, hallucinated_tokens, clean.tokens))
    role = torch.where(visible, TokenRole.CLEAN, clean.role)
    role = torch.where(broken, TokenRole.SYNTAX, torch.where(false, TokenRole.HALLUCINATION, role))
    return Corrupted(tokens, role, clean.level, clean.certain)
