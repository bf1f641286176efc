"""The options of slow repair, known without torch."""

from __future__ import annotations

from dataclasses import dataclass

from rediff.decoding.checks import check_count, check_refresh, check_share


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOptions:
    """A draft, then rounds in which its least supported words are written again, slowly.

    `draft`: share of the steps that the draft takes, rounded up. Each of `rounds` takes an equal
    part of the others: `parts` passes in which every word is hidden once, with the other words of
    its part (position modulo `parts`), for its support, which is its probability there; then the
    share `most` of the words that have least of it become masks, as far as their support is below
    `below`, and the most confident of them are written in every step. A round that
    brings every word back is a row's last. `refresh`: as in `Rules`. Raises ValueError for shares
    outside [0, 1] and numbers below 1.
    """

    draft: float = 0.125
    rounds: int = 2
    parts: int = 4
    most: float = 0.5
    below: float = 1.0
    refresh: int | None = None

    def __post_init__(self) -> None:
        for name in ("draft", "most", "below"):
            check_share(name, getattr(self, name))
        for name in ("rounds", "parts"):
            check_count(name, getattr(self, name))
        check_refresh(self.refresh)
