"""Predict rules: from how many forward passes a step's prediction is made, and how.

A rule asks for its passes through `Passes`, and every pass counts: a sampler that is given so many
steps takes no more passes, and plans fewer denoising steps where one takes several. torch is
imported where a rule is applied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol

from rediff.decoding.checks import check_count, check_share
from rediff.decoding.unmask import top_ranked

if TYPE_CHECKING:
    from torch import Tensor

    from rediff.decoding.canvas import Canvas, Past, Prediction
    from rediff.decoding.passes import Passes


class Predict(Protocol):
    """Makes a step's prediction. A rule that asks for the distributions of the step before says so
    by `uses_distributions = True`."""

    def steps(self, passes: int) -> int:
        """Denoising steps, at least one, that take no more than so many passes, at least one."""
        ...

    def __call__(
        self, passes: Passes, canvas: Canvas, open_: Tensor, past: Past | None
    ) -> Prediction:
        """The prediction of the active rows.

        Args:
            passes: asks the denoiser.
            canvas: of the active rows.
            open_: masks of the block before the eos token, bool [b, R].
            past: the rows' history, for samplers with a rule that asks for it.
        """
        ...


@dataclass(frozen=True, slots=True)
class OnePass:
    """One pass of the denoiser over the canvas."""

    def steps(self, passes: int) -> int:
        """As many as passes."""
        return passes

    def __call__(
        self, passes: Passes, canvas: Canvas, open_: Tensor, past: Past | None
    ) -> Prediction:
        return passes.predict(passes.logits(canvas.tokens), canvas)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithCredit:
    """One pass, whose logits gain by earlier predictions (CreditDecoding, 2510.06133).

    Each step multiplies a credit of every position and token by `decay` and adds p^`boost` to that
    of the likeliest token, p its probability. `weight` log(1 + credit) is added to the logits.
    Raises ValueError for a decay or boost outside [0, 1] and a weight below 0.
    """

    uses_distributions: ClassVar[bool] = True
    decay: float = 0.8
    boost: float = 0.2
    weight: float = 0.7

    def __post_init__(self) -> None:
        check_share("decay", self.decay)
        check_share("boost", self.boost)
        if not self.weight >= 0:
            raise ValueError(f"weight must not be below 0, got {self.weight}")

    def steps(self, passes: int) -> int:
        """As many as passes."""
        return passes

    def __call__(
        self, passes: Passes, canvas: Canvas, open_: Tensor, past: Past | None
    ) -> Prediction:
        import torch

        logits = passes.logits(canvas.tokens).float()
        scores = passes.predict(logits, canvas).log_probabilities()
        best, token = scores.max(dim=-1, keepdim=True)
        last = None if past is None or past.last is None else past.last.credit
        credit = torch.zeros_like(scores) if last is None else self.decay * last
        credit = credit.scatter_add(-1, token, best.exp() ** self.boost)
        gained = passes.predict(logits + self.weight * credit.log1p(), canvas)
        return replace(gained, credit=credit)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithCorrector:
    """In every `every`-th step a corrector goes over the whole answer (ProSeCo, 2602.11590).

    The masks are filled with the step's prediction. Then up to `passes` passes replace all tokens
    by their argmax, until nothing changes, and the step writes the last prediction. Raises
    ValueError for numbers below 1.
    """

    every: int = 2
    passes: int = 4

    def __post_init__(self) -> None:
        check_count("every", self.every)
        check_count("passes", self.passes)

    def steps(self, passes: int) -> int:
        """As many as fit where every `every`-th step takes `self.passes` more. With fewer passes
        than that takes, `every` steps, and the corrector has the passes that they leave."""
        return max(_steps(passes, self.every, self.passes), min(passes, self.every))

    def __call__(
        self, passes: Passes, canvas: Canvas, open_: Tensor, past: Past | None
    ) -> Prediction:
        import torch

        prediction = passes.predict(passes.logits(canvas.tokens), canvas)
        further = min(self.passes, passes.spare)
        if (passes.step + 1) % self.every or further == 0:
            return prediction
        writable = open_ | canvas.visible()
        draft = torch.where(open_, prediction.token, canvas.tokens)
        left = torch.arange(len(draft), device=draft.device)
        for _ in range(further):
            said = passes.predict(passes.logits(draft, left), canvas, left)
            prediction = _with_rows(prediction, said, left)
            new = torch.where(writable[left], said.token, draft[left])
            moved = (new != draft[left]).any(dim=1)
            draft = draft.index_copy(0, left, new)
            left = left[moved]
            if len(left) == 0:
                break
        return replace(prediction, corrected=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithContextsHidden:
    """In every `every`-th step but the last a second pass says how much tokens lean on each other.

    The share `hidden` of the visible tokens, drawn at random and rounded up, is masked in it; their
    probabilities there are `Prediction.support` (CoRe, arXiv 2602.04096). Raises ValueError for a
    number below 1, and a share outside [0, 1].
    """

    every: int = 4
    hidden: float = 0.25

    def __post_init__(self) -> None:
        check_count("every", self.every)
        check_share("hidden", self.hidden)

    def steps(self, passes: int) -> int:
        """As many as fit where every `every`-th step but the last takes one more, and two where
        there are two passes."""
        return min(passes, 1 + _steps(passes - 1, self.every, 1))

    def __call__(
        self, passes: Passes, canvas: Canvas, open_: Tensor, past: Past | None
    ) -> Prediction:
        import torch

        prediction = passes.predict(passes.logits(canvas.tokens), canvas)
        last = passes.step == passes.steps - 1
        if (passes.step + 1) % self.every or passes.spare == 0 or last:
            return prediction
        visible = canvas.words()
        drawn = passes.noise.uniform("hide", visible.size(1)).to(prediction.confidence)
        hidden = top_ranked(drawn, visible, (visible.sum(dim=1) * self.hidden).ceil())
        without = canvas.tokens.masked_fill(hidden, canvas.ids.mask)
        said = passes.predict(passes.logits(without), canvas)
        support = torch.where(hidden, said.visible_probability(), torch.nan)
        return replace(prediction, support=support)


@dataclass(frozen=True, slots=True)
class WithLeaveOneOut:
    """One pass in which a mask beside each position predicts the token that belongs there.

    The probabilities of the visible tokens, as these masks see it, are `Prediction.support`
    (WINO's shadow block, arXiv 2507.18578). Tokens of the canvas still see each other, so that from
    the second layer on a little of a token reaches the mask in its place by way of the others.
    """

    def steps(self, passes: int) -> int:
        """As many as passes."""
        return passes

    def __call__(
        self, passes: Passes, canvas: Canvas, open_: Tensor, past: Past | None
    ) -> Prediction:
        import torch

        logits, shadow = passes.leave_one_out(canvas.tokens)
        support = passes.predict(shadow, canvas).visible_probability()
        support = torch.where(canvas.masked, torch.nan, support)
        return replace(passes.predict(logits, canvas), support=support)


@dataclass(frozen=True, slots=True)
class WithDoubts:
    """One pass, in which the model says of each visible token how likely it is wrong.

    One less that is `Prediction.support`, nan for masks (PRISM, arXiv 2510.01384; see
    `rediff/models/error_logit.py`). Takes a model that was trained to say it.
    """

    def steps(self, passes: int) -> int:
        """As many as passes."""
        return passes

    def __call__(
        self, passes: Passes, canvas: Canvas, open_: Tensor, past: Past | None
    ) -> Prediction:
        import torch

        logits = passes.logits(canvas.tokens)
        support = torch.where(canvas.masked, torch.nan, 1 - passes.doubts(logits))
        return replace(passes.predict(logits, canvas), support=support)


def _steps(passes: int, every: int, further: int) -> int:
    """The most steps n with n + `further` floor(n / `every`) <= `passes`; one at least."""
    rounds, left = divmod(passes, every + further)
    return max(1, rounds * every + min(left, every - 1))


def _with_rows(prediction: Prediction, said: Prediction, rows: Tensor) -> Prediction:
    """The prediction, with some rows replaced by those of `said`."""
    parts = {
        name: getattr(prediction, name).index_copy(0, rows, getattr(said, name))
        for name in ("token", "confidence", "scores", "normaliser")
    }
    return replace(prediction, **parts)
