"""Stop rules: when a row is finished with the block that is being decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Stop(Protocol):
    """Says which rows are finished with the block that is being decoded."""

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        """Finished rows, bool [B].

        Args:
            open_: masks of the block before the eos token; bool [B, R].
            changed: positions whose token this step changed; bool [B, R]. Until the revise rule
                acts: the positions that it may change, the visible ones.
        """
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """A row is finished when no mask is left before the eos token (the published rule)."""

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        return ~open_.any(dim=1)


@dataclass(frozen=True, slots=True)
class Converged:
    """A row is finished when no mask is left before the eos token and a step changed nothing.

    At temperature 0 a step of revision that changed nothing would change nothing again; above, it
    might.

    Examples:
        >>> import torch
        >>> masks, changed = torch.tensor([[False], [False]]), torch.tensor([[False], [True]])
        >>> Converged()(masks, changed).tolist()
        [True, False]
    """

    def __call__(self, open_: Tensor, changed: Tensor) -> Tensor:
        return ~(open_ | changed).any(dim=1)
