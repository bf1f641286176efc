"""The options of the decoders of LaViDa's authors (arXiv 2505.16839), known without torch."""

from __future__ import annotations

from dataclasses import dataclass

from rediff.decoding.checks import check_choice, check_length, check_share, check_shift

RANKS = ("probability", "margin", "entropy")
"""The scores by which Dream's decoder ranks positions; see `unmask.RANKS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BothOptions:
    """The options that both decoders share, at temperature 0.

    `shift`: of the schedule (see `ShiftSchedule`), 0 for none; the authors evaluate captions with
    0.33, and their code takes 3 where it is not told. `step_ratio`: only this share of the steps is
    taken, rounded down; the authors' evaluation takes 0.5 of as many steps as tokens. `prefix`:
    False lets image and prompt see the response, as the authors' code does without its prefix
    cache; True changes nothing. `stop`: end the response at its first eos token; the authors keep
    the tokens after it. Raises ValueError for numbers out of range.
    """

    shift: float = 0.33
    step_ratio: float = 1.0
    prefix: bool = True
    stop: bool = False

    def __post_init__(self) -> None:
        if self.shift != 0:
            check_shift(self.shift)
        check_share("step_ratio", self.step_ratio)

    @property
    def full_attention(self) -> bool:
        """See `Sampler`."""
        return not self.prefix

    def taken(self, steps: int) -> int:
        """The steps that are taken of so many. Raises ValueError if none is."""
        taken = int(steps * self.step_ratio)
        if taken == 0:
            raise ValueError(f"step_ratio {self.step_ratio} leaves none of {steps} steps")
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class LavidaOptions(BothOptions):
    """Options of the decoder of LaViDa with LLaDA's text model.

    It is LLaDA's loop with another schedule. `block_length`: see `Rules`; a block that is full when
    its turn comes takes no pass, and masks that it left are filled later.
    """

    block_length: int | None = None

    def __post_init__(self) -> None:
        BothOptions.__post_init__(self)
        check_length("block_length", self.block_length)


@dataclass(frozen=True, slots=True, kw_only=True)
class DreamOptions(BothOptions):
    """Options of the decoder of LaViDa with Dream's text model.

    `rank`: one of `RANKS`; the authors evaluate with the margin. `top_k`: of the logits, only so
    many take part, 0 for all; their code takes transformers' default of 50 without being asked.
    With a `shift` of 0 the steps follow Dream's own times. Raises ValueError also for an unknown
    rank.
    """

    rank: str = "margin"
    top_k: int = 50

    def __post_init__(self) -> None:
        BothOptions.__post_init__(self)
        check_choice("rank", self.rank, RANKS)
        if self.top_k < 0:
            raise ValueError(f"top_k must not be below 0, got {self.top_k}")
