"""Remask rules: which visible tokens a step takes back, so that later steps write them again.

As many tokens as were taken back are written beyond the next step's quota, unless the schedule
leaves it to the unmask rule how much is written, or shares out the words that are left. None is
taken back in the last unmasking step of a block or after it, so that decoding ends. Positions are
bool masks [B, R].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rediff.decoding.checks import check_choice, check_count, check_from_zero, check_share
from rediff.decoding.unmask import top_ranked

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Prediction

REMDM = ("cap", "rescale", "confidence")


@dataclass(frozen=True, slots=True)
class Writing:
    """The tokens that a step has written, before a remask rule takes some back.

    `eligible`: bool [B, R], visible positions of the block that the step does not change and that
    are not eos. `wrote`: bool [B, R], masks that it writes; a rule that chooses some takes them
    back at once. `left`: int64 [B], masks before the eos token that it leaves. `step`: of the
    block, from 0. `steps`: unmasking steps of the block.
    """

    eligible: Tensor
    wrote: Tensor
    left: Tensor
    step: int
    steps: int


class Remask(Protocol):
    """Chooses which visible positions become masks again."""

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        """A subset of the positions that are eligible or that the step writes, bool [B, R].

        Args:
            prediction: of this step.
            writing: the tokens that the step has written.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeepWritten:
    """Nothing is taken back."""

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        return writing.eligible & False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskSuspects:
    """The tokens that a rule suspects, the most suspect first.

    At most the share `most` of the visible tokens in a step, rounded up, and each position at most
    `times` times. Raises ValueError for a share outside [0, 1] and for fewer than no times.
    """

    most: float = 0.25
    times: int = 3

    def __post_init__(self) -> None:
        check_share("most", self.most)
        check_count("times", self.times, least=0)

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        eligible = writing.eligible
        assert prediction.past is not None
        suspected, rank = self.suspects(prediction)
        open_ = eligible & suspected & (prediction.past.remasked < self.times)
        return top_ranked(rank, open_, (eligible.sum(dim=1) * self.most).ceil())

    def suspects(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        """Which tokens are suspected, bool [B, R], and how much, float32 [B, R]; masks are not
        asked about."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskUnlikely(RemaskSuspects):
    """Tokens whose probability has become lower than `below`, the least likely first.

    The first condition of T2M (arXiv 2604.18738): a wrong token is masked, not replaced, since a
    replacement is predicted in its presence. Raises ValueError as `RemaskSuspects`, and for a
    number outside [0, 1].
    """

    below: float = 0.3

    def __post_init__(self) -> None:
        RemaskSuspects.__post_init__(self)
        check_share("below", self.below)

    def suspects(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        probability = prediction.visible_probability()
        return probability < self.below, -probability


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskRivalled(RemaskSuspects):
    """Tokens in whose place another is predicted, the most outdone first.

    The others of T2M's conditions (arXiv 2604.18738): the probability of the other is above
    `above`, and its logit more than `gap` above that of the visible token. Raises ValueError as
    `RemaskSuspects`, for a probability outside [0, 1] and a gap below 0.
    """

    above: float = 0.0
    gap: float = 0.0

    def __post_init__(self) -> None:
        RemaskSuspects.__post_init__(self)
        check_share("above", self.above)
        check_from_zero("gap", self.gap)

    def suspects(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        gap = prediction.confidence.log() - prediction.visible_probability().log()
        other = prediction.token != prediction.seen
        return other & (prediction.confidence > self.above) & (gap > self.gap), gap


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskAtRandom:
    """Each token with a probability sigma (ReMDM, arXiv 2503.00307, section 4).

    With a = step / steps of the masks written and b = 1 - (step + 1) / steps left after this step,
    sigma is at most min(1, b / a). `how`: "cap" takes min(`eta`, that), "rescale" `eta` times that,
    and "confidence" shares "rescale" out by softmax(-c), c the confidence with which each token was
    written. Raises ValueError for another word, or an `eta` outside [0, 1].
    """

    how: str = "cap"
    eta: float = 0.02

    def __post_init__(self) -> None:
        check_choice("how", self.how, REMDM)
        check_share("eta", self.eta)

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        eligible, step = writing.eligible, writing.step
        assert prediction.noise is not None
        if step == 0:
            return eligible & False
        most = min(1.0, (writing.steps - step - 1) / step)
        sigma = prediction.confidence.new_full(
            eligible.shape, min(self.eta, most) if self.how == "cap" else self.eta * most
        )
        if self.how == "confidence":
            assert prediction.past is not None
            weights = (-prediction.past.written).exp().masked_fill(~eligible, 0.0)
            sigma = sigma * weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-30)
        drawn = prediction.noise.uniform("remask", eligible.size(1)).to(sigma.device)
        return eligible & (drawn < sigma)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemaskFallen:
    """The tokens whose probability fell most since they were written.

    Saber's backtracking (arXiv 2510.18165): as many as `share` of the tokens that the step writes,
    rounded up, and fewer than these, so that decoding gets on. Raises ValueError for a share
    outside [0, 1].
    """

    share: float = 0.125

    def __post_init__(self) -> None:
        check_share("share", self.share)

    def __call__(self, prediction: Prediction, writing: Writing) -> Tensor:
        assert prediction.past is not None
        fallen = prediction.past.written - prediction.visible_probability()
        written = writing.wrote.sum(dim=1)
        number = (written * self.share).ceil().clamp(max=written - 1)
        return top_ranked(fallen, writing.eligible & (fallen > 0), number)
