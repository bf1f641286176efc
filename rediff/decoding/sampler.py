"""What a sampler is: rules and numbers, known without a model and without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from rediff.decoding.rules import (
    Commit,
    Filled,
    Freeze,
    Linear,
    MostConfident,
    Revise,
    Stop,
    check_length,
    check_share,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """Schedule x commit rule x revise rule x stop rule.

    `block_length`: None decodes the whole canvas at once; otherwise blocks of that many positions
    are decoded left to right, the steps split evenly between them, and only the current block is
    revised. `majority_stop`: see `weigh`.
    """

    name: str
    schedule: Linear = field(default_factory=Linear)
    commit: Commit = field(default_factory=MostConfident)
    revise: Revise = field(default_factory=Freeze)
    stop: Stop = field(default_factory=Filled)
    block_length: int | None = None
    majority_stop: bool = True

    def __post_init__(self) -> None:
        check_length("block_length", self.block_length)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialSampler:
    """The options of the official `generate`, at temperature 0.

    `revise`: replace visible tokens of the current block by their new argmax. `revise_topk`: only
    this share of them, the most confident; 0 for all. `revise_start`: only in this share of the
    steps, at their end. `stop`: end the response at the stop token. Raises ValueError for shares
    out of [0, 1] and blocks of no length.
    """

    name: str
    revise: bool
    revise_topk: float = 0.0
    revise_start: float = 1.0
    block_length: int | None = None
    stop: bool = True

    def __post_init__(self) -> None:
        check_share("revise_topk", self.revise_topk)
        check_share("revise_start", self.revise_start)
        check_length("block_length", self.block_length)


AnySampler = Sampler | OfficialSampler
