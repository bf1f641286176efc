"""Remask rules that act after some of the steps, or hold to a schedule. Their form is that of
`remask.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rediff.decoding.checks import check_count, check_share
from rediff.decoding.unmask import top_ranked

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Prediction
    from rediff.decoding.remask import Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskLowest:
    """The share `most` of the visible tokens whose probability is lowest, rounded up.

    From the share `after` of the steps on, or as soon as all is written: the loop of ReMDM (arXiv
    2503.00307) in its variant for LLaDA, where the rest of the masks waits until the end. Raises
    ValueError for shares outside [0, 1].
    """

    after: float = 0.5
    most: float = 0.125

    def __post_init__(self) -> None:
        check_share("after", self.after)
        check_share("most", self.most)

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        eligible = writing.eligible
        number = (eligible.sum(dim=1) * self.most).ceil()
        acts = _begun(writing, self.after)
        return top_ranked(-prediction.visible_probability(), eligible & acts, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskSubset:
    """A random share of the visible tokens, which falls evenly from `most` to `least`.

    From the share `after` of the steps on, or as soon as all is written: Tolerator's refinement
    (arXiv 2510.05090). Raises ValueError for shares outside [0, 1].
    """

    after: float = 0.5
    most: float = 0.5
    least: float = 0.1

    def __post_init__(self) -> None:
        for name in ("after", "most", "least"):
            check_share(name, getattr(self, name))

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        eligible, steps = writing.eligible, writing.steps
        assert prediction.noise is not None
        to_come = (steps - 2 - writing.step) / max(1.0, steps - self.after * steps - 1)
        share = self.least + (self.most - self.least) * min(1.0, max(0.0, to_come))
        written = (eligible | writing.wrote) & _begun(writing, self.after)
        drawn = prediction.noise.uniform("remask", eligible.size(1)).to(prediction.confidence)
        return top_ranked(drawn, written, (written.sum(dim=1) * share).ceil())


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskFaded:
    """The tokens whose mean probability over the last `window` steps is lowest.

    From the share `after` of the steps on, where it is below `below`; at most `most` of them, then
    half and a quarter of that in the second and last third of the remaining steps, rounded up
    (FreeCorrection, arXiv 2602.02927, which has 16, 8 and 4 for pictures). Raises ValueError for
    shares outside [0, 1] and numbers below 1.
    """

    uses_past: ClassVar[bool] = True
    after: float = 0.4
    below: float = 0.5
    most: int = 4
    window: int = 3

    def __post_init__(self) -> None:
        check_share("after", self.after)
        check_share("below", self.below)
        check_count("most", self.most)
        check_count("window", self.window)

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        import torch

        eligible, step, steps = writing.eligible, writing.step, writing.steps
        if step + 1 < self.after * steps:
            return eligible & False
        assert prediction.past is not None
        now = prediction.visible_probability()
        probability = torch.cat([prediction.past.visible_probability, now[None]])[-self.window :]
        mean = probability.sum(dim=0) / (probability > 0).sum(dim=0).clamp(min=1)
        third = int(3 * (step + 1 - self.after * steps) / max(1.0, steps - self.after * steps))
        number = torch.full_like(eligible.sum(dim=1), math.ceil(self.most / 2 ** min(2, third)))
        return top_ranked(-mean, eligible & (mean < self.below), number)


@dataclass(frozen=True, slots=True)
class RemaskToSchedule:
    """The tokens of lowest running confidence: after s of T steps ceil(n (T - s) / T) of n are
    masks, n the tokens that are visible or that the step writes.

    A position's running confidence is the highest with which it was ever predicted, in this step or
    before (RCR of MDPO, arXiv 2508.13148); a visible token counts with its probability. Made
    for `AllWords`, which writes whatever is a word.
    """

    uses_past: ClassVar[bool] = True

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        import torch

        steps = writing.steps
        assert prediction.past is not None
        past, written = prediction.past, writing.eligible | writing.wrote
        now = torch.where(writing.wrote, prediction.confidence, prediction.visible_probability())
        before = torch.where(
            past.visible_probability > 0, past.visible_probability, past.confidence
        )
        running = torch.cat([before, now[None]]).amax(dim=0)
        number = written.sum(dim=1)
        remaining = (number * (steps - writing.step - 1) / steps).ceil()
        return written & ~top_ranked(running, written, number - remaining)


def _begun(writing: Writing, after: float) -> Tensor:
    """Rows whose second phase has begun, bool [B, 1]: from the share `after` of the steps on, or
    because nothing is left to write."""
    return (writing.left == 0)[:, None] | (writing.step + 1 >= after * writing.steps)
