"""The rules that make a sampler: a predict rule, a schedule, and an unmask, a revise, a remask and
a stop rule.

Each rule is a small frozen dataclass without model or state, in the file of its kind, and any of
them can be replaced alone. torch is imported where a rule is applied, so that listing samplers
takes no second.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rediff.decoding.checks import check_length, check_refresh
from rediff.decoding.predict import OnePass, Predict
from rediff.decoding.prediction_options import PredictionOptions
from rediff.decoding.remask import KeepWritten, Remask
from rediff.decoding.revise import KeepVisible, Revise
from rediff.decoding.schedules import LinearSchedule, Schedule
from rediff.decoding.stop import Filled, Stop
from rediff.decoding.unmask import MostConfident, Unmask


@dataclass(frozen=True, slots=True)
class Needs:
    """The inputs that the rules of a sampler ask for.

    `past`: the fields of `Past`; `distributions`: its `last` too, and `drift`: also
    that. `history`: whether the canvas repeats an earlier state.
    """

    past: bool = False
    distributions: bool = False
    drift: bool = False
    history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules(PredictionOptions):
    """One rule of each kind, the blocks that they run in, and how passes become predictions.

    `block_length`: None decodes the whole canvas at once. Otherwise blocks of that many positions
    are decoded from left to right, the steps are split evenly between them, and only tokens of
    the current block are revised. `refresh`: steps after which image and prompt are computed again,
    0 for never; None computes them as often as it takes to be exact, which is in every step where
    they see the response, and once where they do not. `seed`: of whatever is drawn.
    """

    predict: Predict = field(default_factory=OnePass)
    schedule: Schedule = field(default_factory=LinearSchedule)
    unmask: Unmask = field(default_factory=MostConfident)
    revise: Revise = field(default_factory=KeepVisible)
    remask: Remask = field(default_factory=KeepWritten)
    stop: Stop = field(default_factory=Filled)
    block_length: int | None = None
    refresh: int | None = None
    seed: int = 0

    @property
    def needs(self) -> Needs:
        """The inputs that the rules ask for."""

        def some(name: str) -> bool:
            kinds = (self.predict, self.unmask, self.revise, self.remask, self.stop)
            return any(bool(getattr(rule, name, False)) for rule in kinds)

        drift = some("uses_drift")
        distributions = drift or some("uses_distributions")
        return Needs(
            past=self.remasks or distributions or some("uses_past"),
            distributions=distributions,
            drift=drift,
            history=some("uses_history"),
        )

    @property
    def remasks(self) -> bool:
        """Whether tokens may become masks again."""
        return not isinstance(self.remask, KeepWritten)

    @property
    def makes_up(self) -> bool:
        """Whether masks that were put back are written beyond the next step's quota."""
        return bool(getattr(self.schedule, "makes_up", True))

    @property
    def paced(self) -> bool:
        """Whether steps share out the words that are expected, and not the canvas."""
        return bool(getattr(self.schedule, "paced", False))

    def __post_init__(self) -> None:
        PredictionOptions.__post_init__(self)
        check_length("block_length", self.block_length)
        check_refresh(self.refresh)
