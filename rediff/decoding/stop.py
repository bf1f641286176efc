"""Stop rules: when a row is finished with the block that is being decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from rediff.decoding.checks import check_length

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Progress:
    """How far rows have come.

    `open_`: bool [B, R], masks of the block before the eos token. `changed`: bool [B, R], positions
    whose token the step changed; until the revise rule acts, the positions that it may change, the
    visible ones. `returned`: bool [B], rows that repeat an earlier state, for
    rules with `uses_history`. `filled_for`: int64 [B], steps since no mask is left, 0 in the step
    that writes the last one.
    """

    open_: Tensor
    changed: Tensor
    returned: Tensor
    filled_for: Tensor


class Stop(Protocol):
    """Says which rows are finished with the block that is being decoded.

    A rule that asks for `Progress.returned` says so by `uses_history = True`.
    """

    def __call__(self, progress: Progress) -> Tensor:
        """Finished rows, bool [B].

        Args:
            progress: after a step, or before the first one of a block.
        """
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """A row is finished when no mask is left before the eos token (the published rule)."""

    def __call__(self, progress: Progress) -> Tensor:
        return ~progress.open_.any(dim=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Converged:
    """A row is finished when no mask is left before the eos token and a step changed nothing.

    At temperature 0 a step of revision that changed nothing would change nothing again; above, it
    might. `limit`: finished in any case after so many steps with no mask left (LLaDA2.1 takes 16,
    arXiv 2602.08676); None for no such limit. Raises ValueError for a limit that is not above 0.

    Examples:
        >>> import torch
        >>> masks, changed = torch.tensor([[False], [False]]), torch.tensor([[False], [True]])
        >>> none = torch.tensor([False, False])
        >>> Converged()(Progress(masks, changed, none, torch.tensor([3, 3]))).tolist()
        [True, False]
        >>> Converged(limit=3)(Progress(masks, changed, none, torch.tensor([3, 3]))).tolist()
        [True, True]
    """

    limit: int | None = None

    def __post_init__(self) -> None:
        check_length("limit", self.limit)

    def __call__(self, progress: Progress) -> Tensor:
        open_ = progress.open_.any(dim=1)
        finished = ~progress.changed.any(dim=1)
        if self.limit is not None:
            finished = finished | (progress.filled_for >= self.limit)
        return ~open_ & finished


@dataclass(frozen=True, slots=True)
class Cycle:
    """A row is finished when no mask is left and it repeats an earlier state.

    At temperature 0 a decoder whose steps depend on the canvas alone would go round for ever;
    `Converged` sees only rounds of one step.
    """

    uses_history: ClassVar[bool] = True

    def __call__(self, progress: Progress) -> Tensor:
        same = ~progress.changed.any(dim=1) | progress.returned
        return ~progress.open_.any(dim=1) & same


@dataclass(frozen=True, slots=True)
class Budget:
    """A row is finished with the last of its steps and not before, whatever changes."""

    def __call__(self, progress: Progress) -> Tensor:
        return progress.open_.any(dim=1) & False


STOPS: Mapping[str, type[Stop]] = {
    "filled": Filled,
    "converged": Converged,
    "cycle": Cycle,
    "budget": Budget,
}
"""The stop rules by the names that an option takes, each with its defaults."""


def stop_name(rule: Stop) -> str:
    """The name of one of `STOPS`.

    Args:
        rule: whose class is one of them.
    """
    return next(name for name, kind in STOPS.items() if type(rule) is kind)
