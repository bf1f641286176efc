"""The options of the authors' decoder, known without torch."""

from __future__ import annotations

from dataclasses import dataclass

from rediff.decoding.checks import check_length, check_refresh, check_share


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialOptions:
    """The options of the authors' `generate`.

    `revise`: replace visible tokens of the current block by their new predictions.
    `revise_topk`: only this share of them, the most confident; 0 means all. `revise_start`:
    only in this share of the steps, at their end. `block_length`, `refresh`: see `Rules`. `stop`:
    end the response at the eos token. Raises ValueError for shares outside [0, 1] and for blocks
    without length.
    """

    revise: bool
    revise_topk: float = 0.0
    revise_start: float = 1.0
    block_length: int | None = None
    stop: bool = True
    refresh: int | None = None

    def __post_init__(self) -> None:
        check_share("revise_topk", self.revise_topk)
        check_share("revise_start", self.revise_start)
        check_length("block_length", self.block_length)
        check_refresh(self.refresh)
