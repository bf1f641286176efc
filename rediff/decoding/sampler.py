"""What a sampler is: one made of rules, or the authors', known without a model and without
torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from rediff.decoding.rules import (
    Filled,
    KeepVisible,
    LinearSchedule,
    MostConfident,
    Revise,
    Stop,
    Unmask,
    check_length,
    check_share,
)

if TYPE_CHECKING:
    from rediff.decoding.canvas import Canvas
    from rediff.decoding.loop import Decoded, Denoiser, OnStep


@runtime_checkable
class Sampler(Protocol):
    """Turns a blank canvas into responses. `name`: what results and `find_sampler` call it."""

    @property
    def name(self) -> str: ...

    def decode(
        self,
        denoiser: Denoiser,
        canvas: Canvas,
        steps: int,
        *,
        trace: bool = False,
        on_step: OnStep | None = None,
    ) -> Decoded:
        """Decodes every row of `canvas`.

        Args:
            denoiser: gives logits for the canvas.
            canvas: blank, or partly prefilled.
            steps: denoising steps at most; one step is one call of the denoiser.
            trace: whether to record every step.
            on_step: called after every step.

        Raises:
            ValueError: if the sampler cannot spend that many steps on such a canvas.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSampler:
    """Schedule x unmask rule x revise rule x stop rule.

    In every step the denoiser predicts each position of the canvas. The unmask rule chooses which
    masks become their predictions, as many as the schedule asks for. The revise rule chooses
    which visible tokens do. The stop rule says when a row is finished.

    `block_length`: None decodes the whole canvas at once. Otherwise blocks of that many positions
    are decoded from left to right, the steps are split evenly between them, and only tokens of
    the current block are revised. `majority_eos`: see `predict`.

    Examples:
        >>> sampler = RuleSampler(name="mine", unmask=MostConfident(threshold=0.9))
        >>> sampler.revise
        KeepVisible()
    """

    name: str
    schedule: LinearSchedule = field(default_factory=LinearSchedule)
    unmask: Unmask = field(default_factory=MostConfident)
    revise: Revise = field(default_factory=KeepVisible)
    stop: Stop = field(default_factory=Filled)
    block_length: int | None = None
    majority_eos: bool = True

    def __post_init__(self) -> None:
        check_length("block_length", self.block_length)

    def decode(
        self,
        denoiser: Denoiser,
        canvas: Canvas,
        steps: int,
        *,
        trace: bool = False,
        on_step: OnStep | None = None,
    ) -> Decoded:
        """See `Sampler.decode`. Raises ValueError if steps and blocks do not divide."""
        from rediff.decoding.loop import decode_by_rules

        return decode_by_rules(self, denoiser, canvas, steps, trace=trace, on_step=on_step)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialSampler:
    """The authors' decoder at temperature 0, with the options of its `generate`.

    `revise`: replace visible tokens of the current block by their new predictions.
    `revise_topk`: only this share of them, the most confident; 0 means all. `revise_start`:
    only in this share of the steps, at their end. `block_length`: see `RuleSampler`. `stop`: end
    the response at the eos token. Raises ValueError for shares outside [0, 1] and for blocks
    without length.
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

    def decode(
        self,
        denoiser: Denoiser,
        canvas: Canvas,
        steps: int,
        *,
        trace: bool = False,
        on_step: OnStep | None = None,
    ) -> Decoded:
        """See `Sampler.decode`. Raises ValueError if steps and blocks do not divide."""
        from rediff.decoding.official import decode_official

        return decode_official(self, denoiser, canvas, steps, trace=trace, on_step=on_step)
